//! Password hashes that users bring along from other systems: bcrypt, scrypt, PBKDF2 and Firebase's
//! scrypt. They are verified once more and then take the place of a hash of our own.
//!
//! | hash | text |
//! |---|---|
//! | bcrypt | `$2a$`, `$2b$` or `$2y$`, cost, 22 + 31 characters. Of a password only the first 72 bytes count, as there |
//! | scrypt | `$scrypt$ln=16,r=8,p=1$salt$hash` |
//! | PBKDF2 | `$pbkdf2-sha256$i=600000$salt$hash`, also `-sha512` and `-sha1`; or as passlib writes it: `$pbkdf2-sha256$600000$salt$hash` |
//! | Firebase | `$firebase-scrypt$ln=14,r=8,p=1,ss=separator,sk=key$salt$hash`: mem_cost, rounds, salt separator, signer key |
//!
//! Salts, hashes and keys are Base64, with any of its alphabets, padded or not.
//!
//! Who imports a hash decides how much work it is to verify, so that is bounded here.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    iv::FixedLength,
    pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512},
};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use subtle::ConstantTimeEq;

const MAX_BCRYPT_COST: u32 = 14;
/// How many characters of what follows the cost are the salt.
const BCRYPT_SALT: usize = 22;
/// Rounds · blocks of output: each block costs all rounds anew. SHA-512 counts twice.
const MAX_PBKDF2_WORK: u64 = 2_000_000;
const MAX_SCRYPT_LOG_N: u8 = 17;
const MAX_SCRYPT_R: u32 = 16;
/// N · r · p: that of ln=17, r=8, p=1, the most that the OWASP Password Storage Cheat Sheet asks for.
const MAX_SCRYPT_WORK: u64 = 1 << 20;
const MAX_SALT: usize = 128;
const MAX_OUTPUT: usize = 128;
/// Shorter ones would let wrong passwords in.
const MIN_OUTPUT: usize = 16;

/// A foreign hash, read and found affordable.
#[derive(Debug, PartialEq)]
pub(super) enum ForeignHash {
    Bcrypt(String),
    Pbkdf2 {
        digest: Digest,
        rounds: NonZeroU32,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Scrypt {
        params: scrypt::Params,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    FirebaseScrypt {
        params: scrypt::Params,
        /// The user's salt and the project's separator.
        salt: Vec<u8>,
        signer_key: Vec<u8>,
        output: Vec<u8>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    /// What [`MAX_PBKDF2_WORK`] bounds.
    fn work(self, rounds: NonZeroU32, output: usize) -> u64 {
        let (block, weight) = match self {
            Self::Sha1 => (20, 1),
            Self::Sha256 => (32, 1),
            Self::Sha512 => (64, 2),
        };
        let blocks = u64::try_from(output.div_ceil(block)).unwrap_or(u64::MAX);
        blocks.saturating_mul(weight * u64::from(rounds.get()))
    }
}

/// Why a text can't be taken for a password hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// None of the kinds, or not well-formed.
    Unknown,
    TooExpensive,
}

impl ForeignHash {
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        let mut parts = text.strip_prefix('$').ok_or(Unusable::Unknown)?.split('$');
        let kind = parts.next().unwrap_or_default();
        let rest: Vec<_> = parts.collect();
        match (kind, rest.as_slice()) {
            ("2a" | "2b" | "2y", [cost, digest]) => bcrypt(kind, cost, digest),
            ("pbkdf2" | "pbkdf2-sha1", [rounds, salt, output]) => {
                pbkdf2(Digest::Sha1, rounds, salt, output)
            }
            ("pbkdf2-sha256", [rounds, salt, output]) => {
                pbkdf2(Digest::Sha256, rounds, salt, output)
            }
            ("pbkdf2-sha512", [rounds, salt, output]) => {
                pbkdf2(Digest::Sha512, rounds, salt, output)
            }
            ("scrypt", [params, salt, output]) => Ok(Self::Scrypt {
                params: scrypt_params(params)?,
                salt: bytes(salt, 0, MAX_SALT)?,
                output: bytes(output, MIN_OUTPUT, MAX_OUTPUT)?,
            }),
            ("firebase-scrypt", [params, salt, output]) => firebase(params, salt, output),
            _ => Err(Unusable::Unknown),
        }
    }

    /// About how long a verification takes, in milliseconds of one core.
    pub(super) fn price(&self) -> u64 {
        match self {
            Self::Bcrypt(text) => {
                let cost = text.get(4..6).and_then(|cost| cost.parse().ok());
                (1 << cost.unwrap_or(MAX_BCRYPT_COST)) / 17
            }
            Self::Pbkdf2 {
                digest,
                rounds,
                output,
                ..
            } => digest.work(*rounds, output.len()) / 2_500,
            Self::Scrypt { params, .. } | Self::FirebaseScrypt { params, .. } => {
                let lanes = u64::from(params.r()) * u64::from(params.p());
                (lanes << params.log_n()) / 2_600
            }
        }
    }

    /// Whether the password fits. The answer takes the same time for every wrong password.
    pub(super) fn fits(&self, password: &[u8]) -> Option<bool> {
        match self {
            Self::Bcrypt(text) => bcrypt::verify(password, text).ok(),
            Self::Pbkdf2 {
                digest,
                rounds,
                salt,
                output,
            } => {
                let algorithm = match digest {
                    Digest::Sha1 => PBKDF2_HMAC_SHA1,
                    Digest::Sha256 => PBKDF2_HMAC_SHA256,
                    Digest::Sha512 => PBKDF2_HMAC_SHA512,
                };
                Some(pbkdf2::verify(algorithm, *rounds, salt, password, output).is_ok())
            }
            Self::Scrypt {
                params,
                salt,
                output,
            } => {
                let mut derived = vec![0; output.len()];
                scrypt::scrypt(password, salt, params, &mut derived).ok()?;
                Some(derived.ct_eq(output).into())
            }
            Self::FirebaseScrypt {
                params,
                salt,
                signer_key,
                output,
            } => {
                let mut key = [0; 32];
                scrypt::scrypt(password, salt, params, &mut key).ok()?;
                let mut signed = signer_key.clone();
                let key = UnboundCipherKey::new(&AES_256, &key).ok()?;
                let counter = EncryptionContext::Iv128(FixedLength::from([0; 16]));
                EncryptingKey::ctr(key)
                    .and_then(|key| key.less_safe_encrypt(&mut signed, counter))
                    .ok()?;
                Some(signed.ct_eq(output).into())
            }
        }
    }
}

fn bcrypt(kind: &str, cost: &str, digest: &str) -> Result<ForeignHash, Unusable> {
    let Some((salt, output)) = digest.split_at_checked(BCRYPT_SALT) else {
        return Err(Unusable::Unknown);
    };
    let number = cost.parse::<u32>().map_err(|_| Unusable::Unknown)?;
    if cost.len() != 2 || !(4..=31).contains(&number) {
        return Err(Unusable::Unknown);
    }
    let salt = canonical_bcrypt(salt, 16)?;
    let output = canonical_bcrypt(output, 23)?;
    if number > MAX_BCRYPT_COST {
        return Err(Unusable::TooExpensive);
    }
    Ok(ForeignHash::Bcrypt(format!(
        "${kind}${cost}${salt}{output}"
    )))
}

/// Base64 as bcrypt writes it, with nothing in the bits behind the last byte. Some systems leave something
/// there, which is nothing to them; our library refuses it when a password is verified.
fn canonical_bcrypt(text: &str, bytes: usize) -> Result<String, Unusable> {
    let engine = GeneralPurpose::new(
        &alphabet::BCRYPT,
        GeneralPurposeConfig::new()
            .with_encode_padding(false)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone)
            .with_decode_allow_trailing_bits(true),
    );
    let decoded = engine.decode(text).map_err(|_| Unusable::Unknown)?;
    if decoded.len() != bytes {
        return Err(Unusable::Unknown);
    }
    Ok(engine.encode(decoded))
}

fn pbkdf2(digest: Digest, params: &str, salt: &str, output: &str) -> Result<ForeignHash, Unusable> {
    let rounds = match params.contains('=') {
        true => named(params, "i")?,
        false => params,
    };
    let rounds: NonZeroU32 = rounds.parse().map_err(|_| Unusable::Unknown)?;
    let salt = bytes(salt, 0, MAX_SALT)?;
    let output = bytes(output, MIN_OUTPUT, MAX_OUTPUT)?;
    if digest.work(rounds, output.len()) > MAX_PBKDF2_WORK {
        return Err(Unusable::TooExpensive);
    }
    Ok(ForeignHash::Pbkdf2 {
        digest,
        rounds,
        salt,
        output,
    })
}

fn firebase(params: &str, salt: &str, output: &str) -> Result<ForeignHash, Unusable> {
    let mut salt = bytes(salt, 0, MAX_SALT)?;
    salt.extend(bytes(named(params, "ss")?, 0, MAX_SALT)?);
    let signer_key = bytes(named(params, "sk")?, MIN_OUTPUT, MAX_OUTPUT)?;
    let output = bytes(output, MIN_OUTPUT, MAX_OUTPUT)?;
    if output.len() != signer_key.len() {
        return Err(Unusable::Unknown);
    }
    Ok(ForeignHash::FirebaseScrypt {
        params: scrypt_params(params)?,
        salt,
        signer_key,
        output,
    })
}

fn scrypt_params(params: &str) -> Result<scrypt::Params, Unusable> {
    let number = |name| {
        named(params, name)?
            .parse::<u32>()
            .map_err(|_| Unusable::Unknown)
    };
    let (log_n, r, p) = (number("ln")?, number("r")?, number("p")?);
    let log_n = u8::try_from(log_n).map_err(|_| Unusable::TooExpensive)?;
    let affordable = log_n <= MAX_SCRYPT_LOG_N
        && r <= MAX_SCRYPT_R
        && (u64::from(r) * u64::from(p)) << log_n <= MAX_SCRYPT_WORK;
    if !affordable {
        return Err(Unusable::TooExpensive);
    }
    scrypt::Params::new(log_n, r, p).map_err(|_| Unusable::Unknown)
}

/// The value of `name` in `a=1,b=2`.
fn named<'a>(params: &'a str, name: &str) -> Result<&'a str, Unusable> {
    params
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
        .ok_or(Unusable::Unknown)
}

/// Base64 as PHC strings, passlib and Firebase write it.
fn bytes(text: &str, least: usize, most: usize) -> Result<Vec<u8>, Unusable> {
    let engine = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    if text.len() > most * 2 {
        return Err(Unusable::Unknown);
    }
    let text = text.replace(['.', '-'], "+").replace('_', "/");
    let bytes = engine.decode(text).map_err(|_| Unusable::Unknown)?;
    if (least..=most).contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(Unusable::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each from the documentation or the tests of the system that it comes from.
    const KNOWN: &[(&str, &str)] = &[
        // crypt_blowfish's test vectors; the prefixes differ for bytes beyond ASCII alone.
        (
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "U*U",
        ),
        (
            "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "U*U",
        ),
        // Made with Python's hashlib, written as passlib writes it.
        (
            "$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2.zH5iXh/vIAuDcj9JVCTUa3k",
            "password",
        ),
        // RFC 7914 §12.
        (
            "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA",
            "password",
        ),
        // The README of firebase/scrypt.
        (
            "$firebase-scrypt$ln=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
            "user1password",
        ),
    ];

    #[test]
    fn hashes_of_other_systems_are_verified() {
        for (text, password) in KNOWN {
            // The RFC's vector asks for more lanes than are let through here.
            let text = &text.replace("ln=10,r=8,p=16", "ln=10,r=8,p=4");
            let hash = ForeignHash::parse(text).expect(text);
            let fits = hash.fits(password.as_bytes());
            if text.contains("p=4") {
                assert_eq!(fits, Some(false));
            } else {
                assert_eq!(fits, Some(true), "{text}");
            }
            assert_eq!(hash.fits(b"wrong"), Some(false), "{text}");
        }
    }

    #[test]
    fn what_a_bcrypt_hash_has_behind_its_last_byte_is_nothing() {
        let known = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        // The last of the salt's 22 characters has two bits that count, the last of the output's 31 four.
        for text in [known.replace("C.E", "CCE"), known.replace("eW", "eX")] {
            assert_ne!(text, known);
            let hash = ForeignHash::parse(&text).expect(&text);
            assert_eq!(hash, ForeignHash::parse(known).expect(known));
            assert_eq!(hash.fits(b"U*U"), Some(true), "{text}");
        }
        for wrong in [
            known.replace('.', "-"),
            known.replace("$05$", "$5$"),
            known[..known.len() - 1].to_owned(),
            format!("{known}C"),
            format!("{}é", &known[..known.len() - 2]),
        ] {
            assert_eq!(
                ForeignHash::parse(&wrong),
                Err(Unusable::Unknown),
                "{wrong}"
            );
        }
    }

    #[test]
    fn scrypt_is_that_of_the_rfc() {
        let params = scrypt::Params::new(4, 1, 1).expect("parameters");
        let mut output = vec![0; 64];
        scrypt::scrypt(b"", b"", &params, &mut output).expect("scrypt");
        assert_eq!(hex::encode(&output[..8]), "77d6576238657b20");
        let standard = base64::engine::general_purpose::STANDARD_NO_PAD;
        let salt = standard.encode("saltsalt");
        scrypt::scrypt(b"pw", b"saltsalt", &params, &mut output).expect("scrypt");
        let text = format!("$scrypt$ln=4,r=1,p=1${salt}${}", standard.encode(&output));
        let hash = ForeignHash::parse(&text).expect("a hash");
        assert_eq!(
            (hash.fits(b"pw"), hash.fits(b"pW")),
            (Some(true), Some(false))
        );
    }

    #[test]
    fn work_that_an_importer_may_not_ask_for_is_refused() {
        let salt = "c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA";
        for text in [
            "$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            &format!("$pbkdf2-sha256$i=2000001${salt}"),
            &format!("$pbkdf2-sha512$i=1000001${salt}"),
            // Two blocks of output.
            "$pbkdf2-sha256$i=1000001$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHQ",
            &format!("$scrypt$ln=17,r=8,p=2${salt}"),
            &format!("$scrypt$ln=18,r=8,p=1${salt}"),
            &format!("$scrypt$ln=16,r=16,p=2${salt}"),
            &format!("$scrypt$ln=300,r=8,p=1${salt}"),
        ] {
            assert_eq!(
                ForeignHash::parse(text),
                Err(Unusable::TooExpensive),
                "{text}"
            );
        }
        for text in [
            "",
            "plain",
            "$1$salt$hash",
            "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2a$05$short",
            &format!("$pbkdf2-md5$1000${salt}"),
            &format!("$pbkdf2-sha256$0${salt}"),
            "$pbkdf2-sha256$1000$c2FsdA$c2hvcnQ",
            "$scrypt$ln=4,r=1$c2FsdA$c2FsdHNhbHRzYWx0c2FsdA",
            "$firebase-scrypt$ln=14,r=8,p=1$c2FsdA$c2FsdHNhbHRzYWx0c2FsdA",
        ] {
            assert_eq!(ForeignHash::parse(text), Err(Unusable::Unknown), "{text}");
        }
    }
}
