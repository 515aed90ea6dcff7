#[stent::durable(queue = 1, timeout = "soon", colour = "red")]
fn charge<T>(&self, order: &str, (a, b): (u8, u8)) {
}

fn main() {}
