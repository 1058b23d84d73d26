//! A server that a test ends, starts again, and has stand still.

use super::Process;

/// A server that runs, or does not for a while. It is ended when it is dropped.
#[derive(Default)]
pub struct Daemon(Option<Process>);

impl Daemon {
    /// It runs, as this process.
    pub(crate) fn runs(&mut self, process: Process) {
        self.0 = Some(process);
    }

    /// Ends it at once, and its connections with it, as if it had crashed.
    pub fn stop(&mut self) {
        // What stands still hears no signal but the one that kills.
        self.thaw();
        self.0 = None;
    }

    /// Its processes stand still until [`thaw`](Self::thaw): whoever asks waits.
    pub fn freeze(&self) {
        self.0.iter().for_each(Process::freeze_all);
    }

    /// They go on.
    pub fn thaw(&self) {
        self.0.iter().for_each(Process::thaw_all);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}
