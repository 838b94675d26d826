//! Authorization requests (RFC 6749 §4.1.1, OIDC Core §3.1.2): how one is read and checked
//! (`request`), what happens next with it (`step`), and what a code stands for (`code`).

mod code;
mod parameters;
mod request;
mod step;

pub use code::{CODE_LIFETIME, CodeRecord, REPLAY_MEMORY, challenge_fits};
pub use parameters::{Parameters, Repeated};
pub use request::{
    AuthorizationRequest, ErrorCode, Prompt, Refused, ResponseMode, ReturnAddress, Untrusted,
    return_address,
};
pub use step::{Candidate, Step, Unmet, next_step};
