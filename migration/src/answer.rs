//! A refusal in the database's own words. The library adds the line of the server's source, which
//! readers take for a line of theirs.

use std::{borrow::Cow, error::Error, fmt};

use sea_orm_migration::sea_orm::{DbErr, RuntimeErr, sqlx};

/// An error that is kept for the log alone.
pub type Cause = Box<dyn Error + Send + Sync>;

/// What a database answered instead of doing what it was told.
#[derive(Debug)]
pub struct Answer {
    message: String,
    code: Option<String>,
}

impl Answer {
    pub fn of(error: &sqlx::Error) -> Option<Self> {
        let answer = error.as_database_error()?;
        Some(Self {
            message: answer.message().to_owned(),
            code: answer.code().map(Cow::into_owned),
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, code } = self;
        match code.as_deref() {
            None => f.write_str(message),
            // SQLite's codes have fewer characters.
            Some(state) if state.len() == 5 => write!(f, "{message} (SQLSTATE {state})"),
            Some(code) => write!(f, "{message} (result code {code})"),
        }
    }
}

impl Error for Answer {}

/// A database's refusal in its words; every other error as it is.
pub fn cause_of(error: DbErr) -> Cause {
    let answer = match &error {
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => Answer::of(inner),
        _ => None,
    };
    match answer {
        Some(answer) => answer.into(),
        None => error.into(),
    }
}

pub(crate) fn cause_of_sqlx(error: sqlx::Error) -> Cause {
    match Answer::of(&error) {
        Some(answer) => answer.into(),
        None => error.into(),
    }
}
