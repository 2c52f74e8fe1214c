/// Why a text is no proxy. It never holds the text, which may carry a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyFault {
    /// There is nothing.
    #[error("must be a proxy such as socks5://user:password@host:port: it is empty")]
    Empty,
    /// A blank, or something else that no URL holds.
    #[error(
        "must be a proxy such as socks5://user:password@host:port: its character {0} stands in no URL; in a user or \
         password write it as %20 and the like"
    )]
    Character(usize),
    /// What it should be made of, and is not.
    #[error(
        "must be a proxy such as socks5://user:password@host:port, http://host:port or tg://proxy?…: {0}"
    )]
    Shape(ProxyShape),
    /// The secret of an MTProxy.
    #[error("the secret of the MTProxy is wrong: {0}; copy the link again, whole")]
    Secret(MtproxySecretFault),
}

/// What is wrong with the parts of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyShape {
    /// No scheme.
    #[error("it names no scheme; put socks5:// or http:// in front, whichever the proxy speaks")]
    NoScheme,
    /// `host:port:user:password`.
    #[error("it names no scheme; of host:port:user:password make socks5://user:password@host:port")]
    Sellers,
    /// Another scheme.
    #[error("its scheme is none of socks5, http and tg")]
    Scheme,
    /// TLS to the proxy.
    #[error(
        "a proxy that is itself reached by TLS (https://) is not supported; most of them take http:// on another port"
    )]
    Tls,
    /// The version before.
    #[error(
        "SOCKS4 is not supported, since it knows neither passwords nor IPv6; most of them speak socks5://"
    )]
    Socks4,
    /// An MTProxy that is not written as a link.
    #[error("an MTProxy is written as tg://proxy?server=…&port=…&secret=…")]
    Mtproxy,
    /// A path, a query or a fragment.
    #[error("nothing may stand behind its port; in a user or password write / as %2F, ? as %3F and # as %23")]
    Path,
    /// No host, or none that a name or an address can be.
    #[error("it names no host, or one that is neither a name nor an address; IPv6 stands in brackets")]
    Host,
    /// No port.
    #[error("it names no port, which stands behind the host as in proxy.example:1080")]
    NoPort,
    /// A port that is none.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// A password without a user.
    #[error("it has a password and no user")]
    User,
    /// A user or password that does not fit.
    #[error("its user or password has more than 255 bytes, which SOCKS5 cannot carry")]
    LongLogin,
    /// A user or password that cannot be decoded.
    #[error("its user or password is not text once %20 and the like are taken for what they mean")]
    Encoding,
    /// A link without its server.
    #[error("the link has no server= in it")]
    LinkServer,
    /// A link without its port.
    #[error("the link has no port= in it")]
    LinkPort,
    /// A link without its secret.
    #[error("the link has no secret= in it, which an MTProxy needs")]
    LinkSecret,
}

/// What is wrong with the secret of an MTProxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MtproxySecretFault {
    /// Neither hexadecimal digits nor Base64.
    #[error("it is neither hexadecimal digits nor Base64")]
    Alphabet,
    /// A length that none has.
    #[error("it has {0} bytes, where one has 16, or 16 behind dd, or 16 and a host's name behind ee")]
    Length(usize),
    /// A first byte that says nothing.
    #[error("one of 17 bytes and more begins with dd or ee")]
    Kind,
    /// The name behind it.
    #[error("what stands behind its 17 bytes is no host's name of 182 characters at most")]
    Domain,
}
