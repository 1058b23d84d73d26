//! The wasmtime engine: its settings, and the clock that interrupts a guest that does not pause.
use crate::error::Error;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use wasmtime::{Config, Engine, OptLevel};

/// How often a running guest is interrupted to let the rest of its core go on.
pub const TICK: Duration = Duration::from_millis(10);

/// The engine all workers share.
pub fn engine() -> Result<Engine, Error> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .memory_init_cow(true)
        // A trap with RUST_BACKTRACE set would cost 0.6 s of symbolising while a core stands still.
        .wasm_backtrace_max_frames(None);
    Engine::new(&config).map_err(|e| Error::Engine(format!("{e:#}")))
}

/// A thread that advances the engine's epoch every [`TICK`] until dropped.
pub struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Ticker {
    /// Starts to tick.
    pub fn start(engine: &Engine) -> Result<Self, Error> {
        let (stop, stopped) = channel();
        let engine = engine.clone();
        let thread = std::thread::Builder::new()
            .name("terrace-epoch".into())
            .spawn(move || {
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            })
            .map_err(Error::Worker)?;
        Ok(Ticker { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
