//! Spin's interfaces, from the WIT under `wit/`.
wasmtime::component::bindgen!({
    path: "wit",
    world: "spin",
    imports: { default: trappable },
    with: {
        "spin:key-value/key-value.store": crate::keyvalue::Handle,
        "spin:postgres/postgres.connection": crate::postgres::Connection,
        "spin:postgres/postgres.connection-builder": crate::postgres::Builder,
        "spin:sqlite/sqlite.connection": crate::sqlite::Handle,
    },
    trappable_error_type: {
        "spin:key-value/key-value.error" => crate::keyvalue::Failure,
        "spin:postgres/postgres.error" => crate::postgres::Failure,
        "spin:sqlite/sqlite.error" => crate::sqlite::Failure,
        "spin:variables/variables.error" => crate::variables::Failure,
    },
});
