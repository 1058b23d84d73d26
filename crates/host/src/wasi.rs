//! WASI, but for its sockets: the guest reaches the world through `wasi:http` alone.
use crate::guest::Guest;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiView, p2, p3};

/// Offers what the standard library imports (0.2) and what the SDK imports (0.3).
pub fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    // Clocks, random numbers, standard streams.
    p2::add_to_linker_proxy_interfaces_async(linker)?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, |guest| guest.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |guest| guest.ctx().ctx.random())?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, Guest::filesystem)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, Guest::filesystem)?;

    p3::cli::add_to_linker(linker)?;
    p3::clocks::add_to_linker(linker)?;
    p3::filesystem::add_to_linker(linker)?;
    p3::random::add_to_linker(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)
}
