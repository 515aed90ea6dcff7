//! What kind of file system a database lies on.
//!
//! **Invariant:** a write-ahead log is never begun on a file system that machines share, unless the caller insists: its index is memory that all
//! users of the database share, which no network carries (<https://sqlite.org/wal.html>, "All processes using a database must be on the same
//! host computer"), and many of them lock badly as well.

use std::path::Path;

/// The network file systems, and those of shared disks, by the number that `statfs(2)` gives: `linux/magic.h` where no other source is named.
const SHARED: [(u32, &str); 18] = [
    (0x0000_6969, "nfs"),
    (0x0000_517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x00c3_6400, "ceph"),
    (0x7375_7245, "coda"),
    (0x5346_414f, "afs"),
    // Linux' own client for AFS: `fs/afs/internal.h`.
    (0x6b41_4653, "afs"),
    // Plan 9's protocol: shared folders of virtual machines, and of Windows in WSL 2.
    (0x0102_1997, "9p"),
    (0x0000_564c, "ncp"),
    // Shared disks of clusters.
    (0x7461_636f, "ocfs2"),
    // `linux/gfs2_ondisk.h`.
    (0x0116_1970, "gfs2"),
    // Lustre's `lustre_user.h`.
    (0x0bd0_0bd0, "lustre"),
    // The following are those that coreutils knows and Linux does not: `src/stat.c` there.
    (0x4750_4653, "gpfs"),
    (0xaad7_aaea, "panfs"),
    // Shared folders of virtual machines: VMware, VirtualBox, Parallels.
    (0xbacb_acbc, "vmhgfs"),
    (0x786f_4256, "vboxsf"),
    (0x7c7c_6673, "prl_fs"),
];

/// A file system in a program (`linux/magic.h`), and folders shared with a virtual machine (virtiofs): which it is, only its name tells.
const FUSE: u32 = 0x6573_5546;

/// The names, as in `/proc/self/mountinfo`, by which programs mount what lies elsewhere.
const SHARED_FUSE: [&str; 22] = [
    "virtiofs",
    "fuse.blobfuse",
    "fuse.blobfuse2",
    "fuse.ceph",
    "fuse.ceph-fuse",
    "fuse.curlftpfs",
    "fuse.davfs",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.goofys",
    "fuse.grpcfuse",
    "fuse.gvfsd-fuse",
    "fuse.juicefs",
    "fuse.mfs",
    "fuse.mount-s3",
    "fuse.mountpoint-s3",
    "fuse.osxfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.seaweedfs",
    "fuse.sshfs",
    "fuse.vmhgfs-fuse",
];

/// The name of a file system that machines share, by the number that `statfs(2)` gives and, for one in a program, by the name of its mount.
fn shared(magic: u32, mounted_as: impl FnOnce() -> Option<String>) -> Option<String> {
    if magic == FUSE {
        return mounted_as().filter(|name| SHARED_FUSE.contains(&&**name));
    }
    let known = SHARED.iter().find(|(number, _)| *number == magic);
    known.map(|(_, name)| (*name).to_owned())
}

/// The type of the file system that a device is mounted as, from the text of `/proc/self/mountinfo` (`man 5 proc_pid_mountinfo`):
/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
fn mount_type(mounts: &str, major: u32, minor: u32) -> Option<String> {
    let device = format!("{major}:{minor}");
    let line = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some(&*device))?;
    let (_, source) = line.split_once(" - ")?;
    source.split(' ').next().map(str::to_owned)
}

/// The name of the file system that a file lies on, if machines share it. `None` also where that cannot be found out.
#[cfg(target_os = "linux")]
pub(crate) fn shared_by_machines(file: &Path) -> Option<String> {
    let found = rustix::fs::statfs(file).ok()?;
    // The kernel's numbers have 32 bits, whatever the width and the sign of the field.
    let bits = found.f_type as u64 & u64::from(u32::MAX);
    shared(u32::try_from(bits).ok()?, || {
        let device = rustix::fs::stat(file).ok()?.st_dev;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        mount_type(
            &mounts,
            rustix::fs::major(device),
            rustix::fs::minor(device),
        )
    })
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn shared_by_machines(_file: &Path) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 28 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
36 28 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/root rw,errors=continue
41 28 0:45 / /home/me/remote rw,nosuid - fuse.sshfs me@host: rw,user_id=1000
42 28 0:46 / /home/me/secret rw - fuse.gocryptfs /home/me/.secret rw
43 28 0:47 / /mnt/a\\040-\\040b rw - virtiofs shared rw
44 28 0:4 / /broken";

    #[test]
    fn what_machines_share_is_known_by_its_number() {
        let name = |magic| shared(magic, || None);
        for (magic, expected) in [
            (0x6969, "nfs"),
            (0xff53_4d42, "cifs"),
            (0xfe53_4d42, "smb2"),
            (0x0102_1997, "9p"),
        ] {
            assert_eq!(name(magic).as_deref(), Some(expected));
        }
        // ext4, xfs, btrfs, tmpfs, overlayfs, zfs, f2fs, ramfs.
        for local in [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
            0x2fc1_2fc1,
            0xf2f5_2010,
            0x8584_58f6,
        ] {
            assert_eq!(name(local), None, "{local:#x}");
        }
    }

    #[test]
    fn no_number_and_no_name_stands_twice() {
        let numbers: std::collections::BTreeSet<_> = SHARED.iter().map(|(one, _)| one).collect();
        assert_eq!(numbers.len(), SHARED.len());
        let names: std::collections::BTreeSet<_> = SHARED_FUSE.iter().collect();
        assert_eq!(names.len(), SHARED_FUSE.len());
    }

    #[test]
    fn a_file_system_in_a_program_is_known_by_the_name_of_its_mount() {
        let name = |minor| shared(FUSE, || mount_type(MOUNTS, 0, minor));
        assert_eq!(name(45).as_deref(), Some("fuse.sshfs"));
        assert_eq!(name(47).as_deref(), Some("virtiofs"));
        assert_eq!(name(46), None, "it lies on this machine");
        assert_eq!(name(99), None, "nobody knows");
        assert_eq!(name(4), None, "a line that says too little");
    }

    #[test]
    fn the_folder_of_temporary_files_is_this_machines() {
        assert_eq!(shared_by_machines(&std::env::temp_dir()), None);
    }
}
