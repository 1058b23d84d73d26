//! An instance of the component, what it may call, and how it is kept in bounds.
use crate::bindings;
use crate::engine::TICK;
use crate::error::Error;
use crate::keyvalue;
use crate::log::GuestLog;
use crate::options::Limits;
use crate::outbound::{Outbound, Policy};
use crate::postgres;
use crate::sqlite;
use crate::variables::Variables;
use crate::wasi;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use wasmtime::component::{Component, HasData, Linker, ResourceTable};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// What all instances of a server share.
pub struct Shared {
    pub engine: Engine,
    pub pre: ServicePre<Guest>,
    pub keyvalue: keyvalue::Store,
    pub database: sqlite::Store,
    /// What the guest connects to by itself.
    pub postgres: postgres::Servers,
    pub variables: Variables,
    pub policy: Policy,
    /// The folder that the guest sees as `/`.
    pub files: PathBuf,
    pub limits: Limits,
    /// Instances that were replaced after a trap.
    pub restarts: AtomicU64,
    /// Set when the server ends, and instances with it.
    pub ending: AtomicBool,
}

/// Counts how often a worker gets control back from its instance, to tell one that spins from one that
/// is busy.
pub type Pulse = Arc<AtomicU64>;

/// The data of one instance.
pub struct Guest {
    pub table: ResourceTable,
    pub shared: Arc<Shared>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
    limits: StoreLimits,
}

/// Names [`Guest`] as the data of the host functions that may be awaited.
pub struct Spin;

impl HasData for Spin {
    type Data<'a> = &'a mut Guest;
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound }
    }
}

/// Checks that the component fits this host, and prepares it for quick instantiation.
pub fn link(engine: &Engine, component: &Component) -> Result<ServicePre<Guest>, Error> {
    let pre = || {
        let mut linker = Linker::new(engine);
        wasi::link(&mut linker)?;
        bindings::Spin::add_to_linker::<_, Spin>(&mut linker, |guest| guest)?;
        ServicePre::new(linker.instantiate_pre(component)?)
    };
    pre().map_err(|e: wasmtime::Error| Error::Link(format!("{e:#}")))
}

/// Handles of resources, streams and tasks that a request has in its instance, or leaves to what is done after it; about ten.
const HANDLES: usize = 16;

/// Those that an instance has at the least.
const MIN_HANDLES: usize = 100_000;

/// A fresh instance. `pulse` beats whenever its worker has control.
pub async fn instantiate(
    shared: &Arc<Shared>,
    outbound: &Outbound,
    pulse: &Pulse,
) -> wasmtime::Result<(Store<Guest>, Service)> {
    let mut wasi = WasiCtxBuilder::new();
    // Both to the log: stdout belongs to the program.
    wasi.stdout(GuestLog::Stdout).stderr(GuestLog::Stderr).preopened_dir(&shared.files, "/", FsPerms::ReadOnly)?;
    let mut http = WasiHttpCtx::new();
    // Counted with the map's own overhead, so above what a request may bring.
    http.set_field_size_limit(shared.limits.header_bytes.saturating_mul(4).max(256 << 10));
    let limits = StoreLimitsBuilder::new().memory_size(shared.limits.guest_memory).build();
    let guest = Guest {
        table: ResourceTable::new(),
        shared: shared.clone(),
        wasi: wasi.build(),
        http,
        outbound: outbound.clone(),
        limits,
    };
    let mut store = Store::new(&shared.engine, guest);
    store.limiter(|guest| &mut guest.limits);
    store.set_max_component_handles(shared.limits.requests.saturating_mul(HANDLES).max(MIN_HANDLES));
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(watch(shared.limits.clone(), pulse.clone()));
    let service = shared.pre.instantiate_async(&mut store).await?;
    Ok((store, service))
}

/// At each tick a running guest gives way to the rest of its core. When its worker has not had control
/// for too many ticks on end, the guest is stopped.
fn watch(
    limits: Limits,
    pulse: Pulse,
) -> impl FnMut(wasmtime::StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
    let allowed = (limits.guest_run.as_millis() / TICK.as_millis()).max(1);
    let mut last = 0;
    let mut ticks = 0;
    move |_| {
        let beat = pulse.load(Relaxed);
        ticks = if beat == last { ticks + 1 } else { 1 };
        last = beat;
        if ticks > allowed {
            return Err(wasmtime::format_err!(
                "stopped: it ran for {:?} without a pause (limits.guest_run)",
                limits.guest_run
            ));
        }
        Ok(UpdateDeadline::Yield(1))
    }
}
