//! The OpenID Provider as clients and browsers meet it. Tests are named after what the certification
//! plans of the OpenID Foundation and the RFCs demand; the names of their modules are in the docs.

mod basic;
pub(crate) mod browser;
mod client_authentication;
mod codes;
mod cors;
mod discovery;
mod foreign;
mod form_post;
mod introspection;
mod invitations;
mod lifetimes;
mod logout;
mod pages;
mod redirects;
mod registration;
pub(crate) mod rp;
mod userinfo;
