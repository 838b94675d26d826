//! Why a sign-in with a password fails: for the audit log and metrics, never for the caller.

/// A reason of `user.sign_in_failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInFailure {
    /// Too long or too short to be anybody's.
    NotAPassword,
    UnknownAddress,
    WrongPassword,
    /// Everything fits, and the user may not sign in.
    Disabled,
}

impl SignInFailure {
    pub const ALL: [Self; 4] = [
        Self::NotAPassword,
        Self::UnknownAddress,
        Self::WrongPassword,
        Self::Disabled,
    ];

    /// As the audit log says it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotAPassword => "not a password",
            Self::UnknownAddress => "unknown address",
            Self::WrongPassword => "wrong password",
            Self::Disabled => "disabled",
        }
    }
}
