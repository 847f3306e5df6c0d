//! The methods of the protocol, and what each of them needs.

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Batches of commands in a stream.
    Apply,
    /// One batch.
    ApplyOnce,
    /// The state and its changes.
    Follow,
    /// Waiting until a revision shows.
    WaitVisible,
    /// Taking an instance out of answers.
    Drain,
    /// What a query would be answered.
    Explain,
    /// gRPC's health checking.
    Health,
    /// Anything else: reflection, and what does not exist.
    Other,
}

/// What a caller must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: probes have no credentials.
    Nothing,
    /// To follow the state.
    Follow,
    /// To ask for what changes nothing.
    Read,
    /// To change something.
    Write,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 8] = [
        Self::Apply,
        Self::ApplyOnce,
        Self::Follow,
        Self::WaitVisible,
        Self::Drain,
        Self::Explain,
        Self::Health,
        Self::Other,
    ];

    /// The method that a request's path names.
    pub fn of(path: &str) -> Self {
        match path.strip_prefix("/fingerpost.v1.Registry/") {
            Some(name) => Self::ALL.into_iter().find(|method| method.name() == name).unwrap_or(Self::Other),
            None if path.starts_with("/grpc.health.v1.Health/") => Self::Health,
            None => Self::Other,
        }
    }

    /// Its name, for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::ApplyOnce => "ApplyOnce",
            Self::Follow => "Follow",
            Self::WaitVisible => "WaitVisible",
            Self::Drain => "Drain",
            Self::Explain => "Explain",
            Self::Health => "health",
            Self::Other => "other",
        }
    }

    /// What its caller must be allowed.
    pub fn need(self) -> Need {
        match self {
            Self::Apply | Self::ApplyOnce | Self::Drain => Need::Write,
            Self::WaitVisible | Self::Explain | Self::Other => Need::Read,
            Self::Follow => Need::Follow,
            Self::Health => Need::Nothing,
        }
    }
}
