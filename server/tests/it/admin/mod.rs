//! The admin API: who may, and what each noun can.

mod administrators;
mod clients;
mod sign_ins;
mod users;
