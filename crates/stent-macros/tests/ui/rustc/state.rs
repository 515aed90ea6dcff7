use std::{cell::Cell, sync::Arc};

struct Gateway;

#[stent::durable]
async fn owned(#[state] gateway: Gateway) -> stent::Result<()> {
    Ok(())
}

#[stent::durable]
async fn options(#[state(mutable)] gateway: Arc<Gateway>) -> stent::Result<()> {
    Ok(())
}

#[stent::durable]
async fn unshared(#[state] gateway: Arc<Cell<u8>>) -> stent::Result<()> {
    Ok(())
}

fn main() {}
