//! The master keys, as the operator sees them.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::{Object, OpenApi, types::Example};
use serde::Serialize;

use crate::{
    app::App,
    application::admin::keys::{self, MasterKeyUse},
    http::{
        api::Tag,
        extract::credentials::Operator,
        respond::answer::{Answer, Refused, refusals},
    },
};

/// Operations on master keys.
#[derive(Debug)]
pub struct MasterKeysApi;

refusals! {
    /// Refusals of the list of master keys.
    MasterKeysRefusals {
        401 => "No operator token.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Keys")]
impl MasterKeysApi {
    /// List master keys
    ///
    /// The configured ones, the one that seals first, and how many tenants' data keys still rest on each. After
    /// a new key was put in front, data keys move to it in the background: when `data_keys` of the old one is
    /// 0, it may be taken out of the settings. The keys themselves are never told.
    #[oai(
        path = "/admin/v1/master-keys",
        method = "get",
        operation_id = "list_master_keys"
    )]
    async fn list_master_keys(
        &self,
        app: Data<&Arc<App>>,
        operator: Operator,
    ) -> Result<Answer<200, MasterKeyList>, Refused<MasterKeysRefusals>> {
        let uses = keys::master_keys(&app, operator.0).await?;
        Ok(Answer::new(MasterKeyList {
            items: uses.into_iter().map(MasterKeyView::from).collect(),
        }))
    }
}

/// The configured master keys.
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct MasterKeyList {
    items: Vec<MasterKeyView>,
}

impl Example for MasterKeyList {
    fn example() -> Self {
        let key = |id: &str, seals, data_keys| MasterKeyView {
            id: id.to_owned(),
            seals,
            data_keys,
            all_counted: true,
        };
        Self {
            items: vec![key("mk-2026-11", true, 812), key("mk-2026-05", false, 188)],
        }
    }
}

/// A master key, and what rests on it.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "MasterKey")]
pub struct MasterKeyView {
    /// Its name in the settings.
    id: String,
    /// Whether data keys are sealed under it from now on.
    seals: bool,
    /// How many data keys are sealed under it. Counting stops at 1,000.
    data_keys: u32,
    /// Whether there are no more than `data_keys`.
    all_counted: bool,
}

impl From<MasterKeyUse> for MasterKeyView {
    fn from(key: MasterKeyUse) -> Self {
        Self {
            id: key.id,
            seals: key.seals,
            data_keys: key.data_keys,
            all_counted: key.all_counted,
        }
    }
}
