//! What requests cost where operations are billed: which writes are made, what a trace comes to, and the page that says so.

mod page;
mod trace;
mod writes;
