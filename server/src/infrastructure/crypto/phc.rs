//! Password hashes as PHC strings, and how much work they may ask for.

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{self, Output, ParamsString, Salt},
};
use subtle::ConstantTimeEq;

use super::foreign_hashes::{ForeignHash, Unusable};
use crate::{
    application::error::HashingError,
    domain::password::{Password, PasswordHash},
};

/// The most work a stored hash may ask for: an imported one may come from an attacker.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 10;
/// Memory · passes, in KiB: sixteen of ours, such as 64 MiB and 9 passes.
const MAX_WORK: u64 = 16 * 2 * 19_456;
const MAX_LANES: u32 = 8;
/// 256 bits of output.
const OUTPUT_LENGTH: usize = 32;

/// What a new hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub memory_kib: u32,
    pub passes: u32,
}

impl Default for Cost {
    /// The minimum of the OWASP Password Storage Cheat Sheet for argon2id.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
        }
    }
}

impl Cost {
    pub(super) fn params(self) -> Option<Params> {
        // One lane: a worker has one thread.
        Params::new(self.memory_kib, self.passes, 1, Some(OUTPUT_LENGTH)).ok()
    }
}

/// Hashes a password into a PHC string.
pub(super) fn hash(
    password: &Password,
    salt: [u8; 16],
    params: &Params,
    memory: &mut [Block],
) -> Result<PasswordHash, HashingError> {
    let mut output = [0; OUTPUT_LENGTH];
    argon2id(params)
        .hash_password_into_with_memory(password.expose(), &salt, &mut output, memory)
        .map_err(|_| HashingError::UnreadableHash)?;
    let unreadable = |_| HashingError::UnreadableHash;
    let phc = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| HashingError::UnreadableHash)?,
        salt: Some(Salt::new(&salt).map_err(unreadable)?),
        hash: Some(Output::new(&output).map_err(unreadable)?),
    };
    Ok(PasswordHash::from_phc(phc.to_string()))
}

/// Verifies a password against a PHC string. `memory` serves hashes that fit into it; a larger one
/// gets its own for this call.
pub(super) fn verify(
    password: &Password,
    hash: &PasswordHash,
    memory: &mut [Block],
) -> Result<bool, HashingError> {
    let Ok(stored) = Stored::parse(hash.as_phc()) else {
        let foreign =
            ForeignHash::parse(hash.as_phc()).map_err(|_| HashingError::UnreadableHash)?;
        return foreign
            .fits(password.expose())
            .ok_or(HashingError::UnreadableHash);
    };
    let blocks = stored.argon2.params().block_count();
    let mut own_memory;
    let memory = if blocks <= memory.len() {
        memory
    } else {
        own_memory = vec![Block::new(); blocks];
        &mut own_memory
    };
    let mut output = vec![0; stored.output.len()];
    stored
        .argon2
        .hash_password_into_with_memory(password.expose(), &stored.salt, &mut output, memory)
        .map_err(|_| HashingError::UnreadableHash)?;
    Ok(output.ct_eq(stored.output.as_bytes()).into())
}

struct Stored {
    argon2: Argon2<'static>,
    salt: Salt,
    output: Output,
}

impl Stored {
    fn parse(text: &str) -> Result<Self, Unusable> {
        let phc = phc::PasswordHash::new(text).map_err(|_| Unusable::Unknown)?;
        let algorithm = Algorithm::new(phc.algorithm.as_str()).map_err(|_| Unusable::Unknown)?;
        // A PHC string without a version is from before 1.3.
        let version =
            Version::try_from(phc.version.unwrap_or(0x10)).map_err(|_| Unusable::Unknown)?;
        let params = Params::try_from(&phc).map_err(|_| Unusable::Unknown)?;
        let affordable = params.m_cost() <= MAX_MEMORY_KIB
            && params.t_cost() <= MAX_PASSES
            && work(&params) <= MAX_WORK
            && params.p_cost() <= MAX_LANES;
        if !affordable {
            return Err(Unusable::TooExpensive);
        }
        Ok(Self {
            argon2: Argon2::new(algorithm, version, params),
            salt: phc.salt.ok_or(Unusable::Unknown)?,
            output: phc.hash.ok_or(Unusable::Unknown)?,
        })
    }
}

fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// What takes longer than some four of our own hashes.
const DEAR: u64 = 60;

/// Whether a verification takes so long that others shouldn't wait for it.
pub(super) fn is_dear(hash: &PasswordHash) -> bool {
    let price = match Stored::parse(hash.as_phc()) {
        Ok(stored) => work(stored.argon2.params()) / 2_600,
        Err(_) => ForeignHash::parse(hash.as_phc()).map_or(0, |foreign| foreign.price()),
    };
    price > DEAR
}

/// Whether a text is a hash that [`verify`] takes.
pub(super) fn check(text: &str) -> Result<(), Unusable> {
    match Stored::parse(text) {
        Ok(_) => Ok(()),
        Err(Unusable::TooExpensive) => Err(Unusable::TooExpensive),
        Err(Unusable::Unknown) => ForeignHash::parse(text).map(|_| ()),
    }
}

/// Whether a hash is what [`hash`] would make today. One that costs more is left alone.
pub(super) fn is_current(hash: &PasswordHash, today: &Params) -> bool {
    Stored::parse(hash.as_phc()).is_ok_and(|stored| {
        let params = stored.argon2.params();
        hash.as_phc().starts_with("$argon2id$v=19$")
            && params.m_cost() >= today.m_cost()
            && params.t_cost() >= today.t_cost()
    })
}

pub(super) fn argon2id(params: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
}
