//! What this process has used, as Linux counts it.

use std::fs;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::Result;

/// What a process has used since it began.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Processor time of all its threads, in nanoseconds.
    pub(crate) cpu_ns: i64,
    /// How often its threads went to sleep, and so were woken.
    pub(crate) wake_ups: u64,
    /// Bytes that it wrote to files and sockets.
    pub(crate) written_bytes: u64,
    /// The most memory that it ever had, in kilobytes.
    pub(crate) peak_memory_kb: u64,
}

impl Usage {
    /// Of this process.
    ///
    /// # Errors
    /// Where there is no `/proc` of Linux.
    pub(crate) fn of_this_process() -> Result<Self> {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let mut wake_ups = 0;
        for thread in fs::read_dir("/proc/self/task")? {
            // A thread may have ended meanwhile.
            if let Ok(status) = fs::read_to_string(thread?.path().join("status")) {
                wake_ups += field(&status, "voluntary_ctxt_switches:")?;
            }
        }
        let status = fs::read_to_string("/proc/self/status")?;
        let io = fs::read_to_string("/proc/self/io")?;
        Ok(Self {
            cpu_ns: cpu.tv_sec * 1_000_000_000 + cpu.tv_nsec,
            wake_ups,
            written_bytes: field(&io, "wchar:")?,
            peak_memory_kb: field(&status, "VmHWM:")?,
        })
    }
}

/// The number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    let number = number.ok_or_else(|| format!("there is no `{name}` in `/proc`"))?;
    Ok(number.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_the_number_after_its_name_at_the_beginning_of_a_line() {
        let text = "Name:\tbench\nnonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t31\nVmHWM:\t  1024 kB\n";
        assert_eq!(field(text, "voluntary_ctxt_switches:").unwrap(), 31);
        assert_eq!(field(text, "VmHWM:").unwrap(), 1024);
        field(text, "VmPeak:").unwrap_err();
    }
}
