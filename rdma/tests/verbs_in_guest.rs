//! The layer over verbs, on real verbs: two Soft-RoCE devices joined by a cable, as the guest of `just rdma-test` has them.
//!
//! One test after the other: they share the devices, and some cut the cable.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use msgr_rdma::endpoint::{GidChoice, GidKind};
use msgr_rdma::verbs::{
    AsyncEvent, Chunk, Completion, CompletionQueue, Device, Found, Kind, PathOptions, PortState, QueuePair,
    QueuePairState, SharedReceiveQueue, Status, VerbsError, device_names,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// What must happen does within this time, however busy the machine under the guest is.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes in a chunk.
const SIZE: u32 = 4096;
/// Sends that fit a queue pair.
const SENDS: u32 = 32;
/// Receives that fit a shared queue.
const RECEIVES: u32 = 256;
/// Chunks to send, at each end.
const FREE: usize = 64;

/// One device with what queue pairs need, and free chunks to send.
struct End {
    device: Device,
    cq: Arc<CompletionQueue>,
    srq: Arc<SharedReceiveQueue>,
    free: Vec<Chunk>,
}

impl End {
    fn new(name: &str, receives: u32) -> End {
        let device = Device::open(name, 1, GidChoice::Automatic).unwrap();
        let cq = device.completion_queue(1024).unwrap();
        let srq = device.shared_receive_queue(RECEIVES).unwrap();
        let mut chunks = device.register(receives, SIZE, false).unwrap();
        assert_eq!(srq.post(&mut chunks).unwrap(), receives as usize);
        let free = device.register(FREE as u32, SIZE, false).unwrap();
        End { device, cq, srq, free }
    }

    fn queue_pair(&self) -> QueuePair {
        self.device.queue_pair(&self.cq, &self.cq, &self.srq, SENDS).unwrap()
    }

    /// The next so many completions, and no more.
    fn next_many(&self, count: usize) -> Vec<Completion> {
        let mut all = Vec::new();
        let since = Instant::now();
        while all.len() < count {
            assert!(since.elapsed() < PATIENCE, "{} of {count} completions: {all:?}", all.len());
            all.extend(self.poll());
        }
        assert_eq!(all.len(), count, "{all:?}");
        all
    }

    /// The completions there are.
    fn poll(&self) -> Vec<Completion> {
        let mut found = Found::default();
        self.cq.poll(&mut found).unwrap();
        found.drain().collect()
    }

    fn next(&self) -> Completion {
        self.next_many(1).remove(0)
    }

    /// Posts again what a receive has filled.
    fn recycle(&self, received: Completion) {
        assert_eq!(self.srq.post(&mut vec![self.srq.take(received).unwrap()]).unwrap(), 1);
    }

    /// Waits for this event of the device.
    fn expect(&self, wanted: AsyncEvent) {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            match self.device.next_event().unwrap() {
                Some(event) if event == wanted => return,
                Some(event) => println!("{}: {event:?}", self.device.name()),
                None => assert!(readable(self.device.event_fd(), PATIENCE), "no {wanted:?}"),
            }
        }
        panic!("no {wanted:?}");
    }
}

/// Two ends with so many buffers to receive into at each.
fn ends(receives: u32) -> (End, End) {
    (End::new("rxe0", receives), End::new("rxe1", receives))
}

/// A connection between them.
fn connect(one: &End, other: &End) -> (QueuePair, QueuePair) {
    let (a, b) = (one.queue_pair(), other.queue_pair());
    assert_eq!(a.state().unwrap(), QueuePairState::Init);
    let options = PathOptions { path_mtu: 4096, retry_count: 3, ..PathOptions::default() };
    let (to_a, to_b) = (one.device.endpoint(&a, 0x12_3456).unwrap(), other.device.endpoint(&b, 0xff_ffff).unwrap());
    a.ready_to_receive(&to_b, &options).unwrap();
    b.ready_to_receive(&to_a, &options).unwrap();
    assert_eq!(a.state().unwrap(), QueuePairState::ReadyToReceive);
    a.ready_to_send(to_a.psn, &options).unwrap();
    b.ready_to_send(to_b.psn, &options).unwrap();
    assert_eq!(b.state().unwrap(), QueuePairState::ReadyToSend);
    (a, b)
}

fn readable(fd: &Arc<OwnedFd>, within: Duration) -> bool {
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&Timespec::try_from(within).unwrap())).unwrap() == 1
}

/// `down` cuts the cable, `up` mends it.
fn cable(what: &str) {
    assert!(Command::new("/bin/guest-net").arg(what).status().unwrap().success());
}

#[test]
fn messages_and_their_immediate_bits_cross_both_ways() {
    let (mut one, other) = ends(8);
    let (a, b) = connect(&one, &other);
    for round in 0..50u32 {
        let mut chunk = one.free.pop().unwrap();
        chunk[..4].copy_from_slice(&round.to_le_bytes());
        a.post_send(chunk, 4 + round, round).unwrap();

        let got = other.next();
        assert_eq!((got.kind(), got.status(), got.qp_num()), (Kind::Receive, Status::Success, b.number()));
        assert_eq!((got.byte_len(), got.imm()), (4 + round as usize, Some(round)));
        let chunk = other.srq.take(got).unwrap();
        assert_eq!(chunk[..4], round.to_le_bytes());
        assert_eq!(other.srq.post(&mut vec![chunk]).unwrap(), 1);

        let sent = one.next();
        assert_eq!((sent.kind(), sent.status()), (Kind::Send, Status::Success));
        assert!(a.is_own(&sent));
        one.free.push(a.take(sent).unwrap());

        // The answer has no bytes.
        b.post_send_empty(!round).unwrap();
        let got = one.next();
        assert_eq!((got.kind(), got.byte_len(), got.imm()), (Kind::Receive, 0, Some(!round)));
        one.recycle(got);
        assert!(b.take(other.next()).is_none());
    }
    assert_eq!((a.outstanding(), b.outstanding(), one.free.len(), other.srq.len()), (0, 0, FREE, 8));
}

#[test]
fn messages_arrive_in_order_and_what_does_not_fit_is_given_back() {
    let (mut one, other) = ends(64);
    let (a, _b) = connect(&one, &other);
    for imm in 0..SENDS {
        a.post_send(one.free.pop().unwrap(), SIZE, imm).unwrap();
    }
    let refused = a.post_send(one.free.pop().unwrap(), SIZE, SENDS).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::WouldBlock);
    let got = other.next_many(SENDS as usize);
    assert_eq!(got.iter().filter_map(Completion::imm).collect::<Vec<_>>(), (0..SENDS).collect::<Vec<_>>());
    one.free.extend(one.next_many(SENDS as usize).into_iter().filter_map(|sent| a.take(sent)));
    a.post_send(refused.chunk, SIZE, SENDS).unwrap();
    one.free.extend(a.take(one.next()));
    assert_eq!(one.free.len(), FREE);
}

#[test]
fn a_sleeper_is_woken_once_for_each_time_it_armed() {
    let (one, other) = ends(8);
    let (a, _b) = connect(&one, &other);
    let fd = other.cq.fd();
    other.cq.arm().unwrap();
    assert!(other.poll().is_empty());
    assert!(!readable(fd, Duration::ZERO));
    assert!(!other.cq.take_event().unwrap());

    a.post_send_empty(1).unwrap();
    assert!(readable(fd, PATIENCE));
    assert!(other.cq.take_event().unwrap());
    assert!(!readable(fd, Duration::ZERO));
    assert_eq!(other.next().imm(), Some(1));

    // Not armed any more, so no event.
    a.post_send_empty(2).unwrap();
    one.next_many(2);
    assert!(!readable(fd, Duration::ZERO));
    // What came before arming need not make one, which is why one polls again.
    other.cq.arm().unwrap();
    assert_eq!(other.next().imm(), Some(2));
}

#[test]
fn a_full_queue_a_wrong_length_and_a_foreign_chunk_are_refused() {
    let (mut one, other) = ends(0);
    let (a, _b) = connect(&one, &other);
    let refused = a.post_send(one.free.pop().unwrap(), SIZE + 1, 0).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
    let mut chunk = refused.chunk;
    let mut foreign = other.device.register(RECEIVES + 1, SIZE, false).unwrap();
    assert_eq!(one.srq.post(&mut foreign).unwrap_err().kind(), ErrorKind::InvalidInput);
    let refused = a.post_send(foreign.pop().unwrap(), 1, 0).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
    foreign.push(refused.chunk);

    // The other end has no buffer, so nothing completes.
    for _ in 0..SENDS {
        a.post_send(chunk, SIZE, 0).unwrap();
        chunk = one.free.pop().unwrap();
    }
    let refused = a.post_send(chunk, SIZE, 0).unwrap_err();
    assert_eq!((refused.error.kind(), refused.chunk.size()), (ErrorKind::WouldBlock, SIZE));
    assert_eq!(a.outstanding(), SENDS as usize);
    // Now it has, as many as fit, and what waited arrives.
    assert_eq!(other.srq.post(&mut foreign).unwrap(), RECEIVES as usize);
    assert_eq!(other.srq.post(&mut foreign).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(foreign.len(), 1);
    assert!(one.next_many(SENDS as usize).iter().all(|sent| sent.status() == Status::Success));
}

#[test]
fn an_error_flushes_what_is_posted_up_to_the_beacon() {
    let (mut one, other) = ends(0);
    let (a, b) = connect(&one, &other);
    for imm in 0..SENDS {
        a.post_send(one.free.pop().unwrap(), SIZE, imm).unwrap();
    }
    a.to_error().unwrap();
    assert_eq!(a.state().unwrap(), QueuePairState::Error);
    a.post_beacon().unwrap();
    let flushed = one.next_many(SENDS as usize + 1);
    assert_eq!(flushed.last().map(Completion::kind), Some(Kind::Beacon));
    for completion in flushed {
        assert_eq!((completion.status(), completion.qp_num()), (Status::Flushed, a.number()));
        one.free.extend(a.take(completion));
    }
    assert_eq!((one.free.len(), a.outstanding()), (FREE, 0));
    // What is posted in ERR is flushed as well; and its completion opens no other queue's table.
    a.post_send(one.free.pop().unwrap(), SIZE, 0).unwrap();
    let flushed = one.next();
    assert_eq!(flushed.status(), Status::Flushed);
    assert!(!b.is_own(&flushed) && a.is_own(&flushed));
    assert!(b.take(flushed).is_none());
    assert_eq!(a.outstanding(), 1);
}

#[test]
fn a_queue_pair_without_a_peer_sends_nothing_and_is_drained_all_the_same() {
    let mut one = End::new("rxe0", 1);
    let pair = one.queue_pair();
    let refused = pair.post_send(one.free.pop().unwrap(), 1, 0).unwrap_err();
    assert_eq!((refused.error.kind(), pair.outstanding()), (ErrorKind::NotConnected, 0));
    pair.to_error().unwrap();
    pair.post_beacon().unwrap();
    let flushed = one.next();
    assert_eq!((flushed.kind(), flushed.status()), (Kind::Beacon, Status::Flushed));
    assert!(pair.take(flushed).is_none());
    assert_eq!((pair.outstanding(), one.srq.len()), (0, 1));
}

#[test]
fn a_dead_peer_and_a_small_buffer_fail_the_send() {
    let (mut one, other) = ends(1);
    let (a, b) = connect(&one, &other);
    drop(b);
    a.post_send(one.free.pop().unwrap(), 1, 0).unwrap();
    let failed = one.next();
    assert_eq!((failed.kind(), failed.status()), (Kind::Send, Status::RetriesExceeded));
    assert!(a.take(failed).is_some());
    assert_eq!(a.state().unwrap(), QueuePairState::Error);

    let (a, _b) = connect(&one, &other);
    let large = one.device.register(1, 2 * SIZE, false).unwrap().remove(0);
    a.post_send(large, 2 * SIZE, 0).unwrap();
    assert_eq!(one.next().status(), Status::RemoteOperation);
    let failed = other.next();
    assert_eq!(failed.kind(), Kind::Receive);
    assert!(matches!(failed.status(), Status::Other(_)), "{failed:?}");
    assert!(other.srq.take(failed).is_some());
}

#[test]
fn a_shared_receive_queue_tells_when_it_runs_low() {
    let (one, other) = ends(4);
    let (a, _b) = connect(&one, &other);
    other.srq.set_limit(4).unwrap();
    a.post_send_empty(0).unwrap();
    other.expect(AsyncEvent::SrqLimit);
    assert_eq!(other.device.next_event().unwrap(), None);
}

#[test]
fn a_cut_cable_is_told_and_fails_what_is_under_way() {
    let (mut one, other) = ends(0);
    let (a, _b) = connect(&one, &other);
    let open = || Device::open("rxe1", 1, GidChoice::Automatic);
    a.post_send(one.free.pop().unwrap(), SIZE, 0).unwrap();
    cable("down");
    other.expect(AsyncEvent::PortError(1));
    assert_eq!(other.device.port().unwrap().state, PortState::Down);
    let error = open().err().unwrap();
    println!("{error}");
    assert!(matches!(error, VerbsError::PortNotActive { state: PortState::Down, .. }));
    a.post_send(one.free.pop().unwrap(), SIZE, 0).unwrap();
    for completion in one.next_many(2) {
        println!("{}", completion.status());
        assert_ne!(completion.status(), Status::Success);
        assert!(a.take(completion).is_some());
    }
    cable("up");
    other.expect(AsyncEvent::PortActive(1));
    assert_eq!(other.device.port().unwrap().active_mtu, 4096);
    open().unwrap();
}

#[test]
fn what_cannot_be_opened_is_told_with_what_there_is() {
    assert_eq!(device_names().unwrap(), ["rxe0", "rxe1"]);
    assert_eq!(Device::open("", 1, GidChoice::Automatic).unwrap().name(), "rxe0");
    let error = |name: &str, port, gid| Device::open(name, port, gid).err().unwrap();
    let no_device = error("mlx5_0", 1, GidChoice::Automatic);
    assert!(no_device.to_string().contains("\"mlx5_0\": there is rxe0, rxe1"), "{no_device}");
    assert!(matches!(error("rxe0", 2, GidChoice::Automatic), VerbsError::NoSuchPort { ports: 1, .. }));
    let no_gid = error("rxe0", 1, GidChoice::Index(200));
    println!("{no_gid}");
    assert!(no_gid.to_string().contains("0000:0000:0000:0000:0000:ffff:0a00:0001 (RoCE v2)"), "{no_gid}");
    let chosen = Device::open("rxe1", 1, GidChoice::Automatic).unwrap().gid();
    assert_eq!(chosen.gid, "::ffff:10.0.0.2".parse().unwrap());
    let exactly = |kind| GidChoice::Exactly(chosen.gid, kind);
    assert_eq!(Device::open("rxe1", 1, exactly(GidKind::RoceV2)).unwrap().gid(), chosen);
    assert!(matches!(error("rxe1", 1, exactly(GidKind::RoceV1)), VerbsError::NoSuchGid { .. }));

    let device = Device::open("rxe0", 1, GidChoice::Index(1)).unwrap();
    let limits = device.limits();
    println!("{limits:?} {:?}", device.port());
    let cq = device.completion_queue(1).unwrap();
    let srq = device.shared_receive_queue(1).unwrap();
    for beyond in [
        device.completion_queue(limits.max_cqe + 1).err(),
        device.shared_receive_queue(limits.max_srq_wr + 1).err(),
        device.queue_pair(&cq, &cq, &srq, limits.max_qp_wr).err(),
    ] {
        assert!(matches!(beyond, Some(VerbsError::BeyondDevice { .. })), "{beyond:?}");
    }
}

#[test]
fn too_little_lockable_memory_is_told_with_its_limit() {
    let device = Device::open("rxe0", 1, GidChoice::Automatic).unwrap();
    // Root may lock any amount, by a capability; this thread's alone is taken away.
    let all = capabilities(None).unwrap();
    let mut fewer = all;
    fewer.effective.remove(CapabilitySet::IPC_LOCK);
    let limit = getrlimit(Resource::Memlock);
    set_capabilities(None, fewer).unwrap();
    setrlimit(Resource::Memlock, Rlimit { current: Some(64 << 10), ..limit }).unwrap();
    let error = device.register(64, SIZE, false).err();
    setrlimit(Resource::Memlock, limit).unwrap();
    set_capabilities(None, all).unwrap();
    let error = error.unwrap();
    println!("{error}");
    assert!(matches!(error, VerbsError::LockedMemory { bytes: 262_144, limit: Some(65_536) }), "{error}");
}

#[test]
fn huge_pages_are_used_while_there_are_some_and_small_ones_after() {
    let set = |count: &str| std::fs::write("/proc/sys/vm/nr_hugepages", count).unwrap();
    let free = || {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("HugePages_Free:")).unwrap();
        line.trim().parse::<u32>().unwrap()
    };
    let (one, other) = ends(1);
    let (a, _b) = connect(&one, &other);
    set("2");
    assert_eq!(free(), 2);
    let mut chunks = one.device.register(3, 1 << 20, true).unwrap();
    assert_eq!(free(), 0);
    chunks.extend(one.device.register(3, 1000, true).unwrap());
    for (i, mut chunk) in chunks.drain(1..).enumerate() {
        assert!(chunk.iter().all(|&byte| byte == 0));
        chunk.fill(i as u8 + 1);
        a.post_send(chunk, 1000, 0).unwrap();
        let got = other.next();
        let chunk = other.srq.take(got).unwrap();
        assert!(chunk[..1000].iter().all(|&byte| byte == i as u8 + 1));
        other.srq.post(&mut vec![chunk]).unwrap();
        assert!(a.take(one.next()).is_some());
    }
    drop(chunks);
    assert_eq!(free(), 2);
    set("0");
}

/// What the kernel says there is of queues and registrations.
fn resources() -> String {
    String::from_utf8(Command::new("/bin/rdma").arg("resource").output().unwrap().stdout).unwrap()
}

#[test]
fn two_hundred_lives_leave_nothing_behind() {
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = (resources(), files());
    {
        let (mut one, other) = ends(8);
        for life in 0..200 {
            let (a, b) = connect(&one, &other);
            a.post_send(one.free.pop().unwrap(), SIZE, life).unwrap();
            if life % 4 == 0 {
                // Some die with everything under way, and their completions may come late.
                one.free.extend(one.device.register(1, SIZE, false).unwrap());
                drop((b, a));
                drop(one.poll());
                other.poll().into_iter().for_each(|received| other.recycle(received));
            } else {
                let got = other.next();
                assert_eq!((got.imm(), got.qp_num()), (Some(life), b.number()));
                other.recycle(got);
                one.free.extend(a.take(one.next()));
            }
        }
        assert_eq!((one.free.len(), other.srq.len()), (FREE, 8));
        println!("{}", resources());
    }
    assert_eq!((resources(), files()), before);
}

#[test]
fn threads_share_a_queue_pair() {
    let (mut one, other) = ends(64);
    let (a, _b) = connect(&one, &other);
    let mut left: Vec<_> = one.free.drain(..SENDS as usize).collect();
    let right = left.split_off(SENDS as usize / 2);
    std::thread::scope(|scope| {
        for half in [left, right] {
            let a = &a;
            scope.spawn(move || half.into_iter().for_each(|chunk| a.post_send(chunk, 1, 0).unwrap()));
        }
        // Completions are taken while they still post.
        one.free.extend(one.next_many(SENDS as usize).into_iter().filter_map(|sent| a.take(sent)));
    });
    assert_eq!((one.free.len(), other.next_many(SENDS as usize).len()), (FREE, SENDS as usize));
}
