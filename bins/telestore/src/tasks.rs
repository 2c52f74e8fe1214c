//! Files side by side.

use tokio::task::JoinSet;

/// Waits for all of them; a panic of one is one here.
pub(crate) async fn end(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}
