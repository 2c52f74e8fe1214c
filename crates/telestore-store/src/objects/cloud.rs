//! The kinds of object stores, each with its names for things.

/// What is done with objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Write,
    Read,
    List,
    Delete,
}

impl Act {
    /// The step, as an error names it.
    pub(super) fn step(self) -> &'static str {
        match self {
            Self::Write => "writing an object",
            Self::Read => "reading an object",
            Self::List => "listing objects",
            Self::Delete => "deleting an object",
        }
    }
}

/// Whose words a store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cloud {
    S3,
    Google,
    Azure,
}

impl Cloud {
    /// What the names of its settings begin with.
    pub(super) fn settings(self) -> &'static str {
        match self {
            Self::S3 => "aws_",
            Self::Google => "google_",
            Self::Azure => "azure_",
        }
    }

    /// The settings that hold its credentials.
    pub(super) fn credentials(self) -> &'static str {
        match self {
            Self::S3 => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            Self::Google => "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT_KEY",
            Self::Azure => "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        }
    }

    /// The right that an act needs.
    pub(super) fn right(self, act: Act) -> &'static str {
        match (self, act) {
            (Self::S3, Act::Write) => "s3:PutObject on the bucket's objects",
            (Self::S3, Act::Read) => "s3:GetObject on the bucket's objects",
            (Self::S3, Act::List) => "s3:ListBucket on the bucket",
            (Self::S3, Act::Delete) => "s3:DeleteObject on the bucket's objects",
            (Self::Google, Act::Write) => "storage.objects.create (role Storage Object User)",
            (Self::Google, Act::Read) => "storage.objects.get (role Storage Object User)",
            (Self::Google, Act::List) => "storage.objects.list (role Storage Object User)",
            (Self::Google, Act::Delete) => "storage.objects.delete (role Storage Object User)",
            (Self::Azure, Act::Write) => "to write blobs (role Storage Blob Data Contributor)",
            (Self::Azure, Act::Read) => "to read blobs (role Storage Blob Data Contributor)",
            (Self::Azure, Act::List) => "to list blobs (role Storage Blob Data Contributor)",
            (Self::Azure, Act::Delete) => "to delete blobs (role Storage Blob Data Contributor)",
        }
    }
}
