//! The one unsafe call of this crate: taking bytes as compiled code.
#![allow(unsafe_code)]
use wasmtime::Engine;
use wasmtime::component::Component;

/// A component from code that [`Engine::precompile_component`] made.
///
/// `code` must come from that function in this process, or from a file that [`crate::compiled`] wrote:
/// in a folder only this user can reach, with a checksum that has been verified.
pub fn component(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes were made by `precompile_component`, by this process or by an earlier one of the
    // same user: they are read only from a folder that this user owns and nobody else may enter, through
    // no link, and only when their checksum matches. wasmtime itself checks its version, the settings and
    // the target. Nobody who could not already run code as this user can choose them.
    unsafe { Component::deserialize(engine, code) }
}
