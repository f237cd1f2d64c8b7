//! A stock ceph-mon as a child process: made, started, killed and started again in a directory of its own.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use msgr::EntityAddr;
use msgr::wire::tag;
use tempfile::TempDir;

use super::body;
use super::peer::Peer;
use super::who::Who;
use crate::loopback;

/// Commands that make a monitor's map and store; they take a second.
const TOOL_PATIENCE: Duration = Duration::from_secs(60);
/// From the start of the process to a monitor that leads its quorum of one; that takes some four seconds.
const QUORUM_PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at whether something has come about.
const TICK: Duration = Duration::from_millis(20);
/// Ports tried: somebody else may take a free one before the monitor does.
const ATTEMPTS: usize = 3;
/// End of the monitor's log that a test which fails shows.
const LOG_SHOWN: u64 = 6000;
/// Ports that are above those of our own listeners and below those that the system gives to outgoing connections, so
/// that a monitor finds its port free when it is started again.
const PORTS: std::ops::Range<u16> = 16_000..32_000;

/// A running monitor. Killed when this is dropped, and by the kernel when the test ends in some other way.
pub struct Mon {
    dir: TempDir,
    address: SocketAddr,
    fsid: String,
    child: Option<Child>,
}

/// The version that `ceph-mon --version` tells, if the packages are installed.
pub fn version() -> Option<String> {
    let tools = ["ceph-mon", "monmaptool"].map(|tool| {
        // monmaptool exits with an error when it is asked for nothing; that it exits is enough.
        let ran = Command::new(tool).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
        ran.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    let [mon, monmaptool] = tools;
    monmaptool.and(mon)
}

impl Mon {
    /// A new monitor that leads its quorum, or `None` (and a line that says so) where the packages are missing.
    ///
    /// # Panics
    /// Without the packages when `CI=true`, and when the monitor does not start.
    pub fn start() -> Option<Mon> {
        if version().is_none() {
            let what = "no ceph-mon here (apt-get install --no-install-recommends ceph-mon ceph-common)";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
            println!("skipped: {what}");
            return None;
        }
        let mut failures = Vec::new();
        for _ in 0..ATTEMPTS {
            match Mon::try_start() {
                Ok(mon) => return Some(mon),
                Err(failure) => failures.push(failure.to_string()),
            }
        }
        panic!("the monitor does not start:\n{}", failures.join("\n"));
    }

    fn try_start() -> io::Result<Mon> {
        let dir = tempfile::Builder::new().prefix("ceph-mon.").tempdir()?;
        let address = free_port()?;
        let fsid = format!("{:08x}-0000-4000-8000-{:012x}", fastrand::u32(..), u64::from(fastrand::u32(..)));
        let mut mon = Mon { dir, address, fsid, child: None };
        mon.make()?;
        mon.run()?;
        Ok(mon)
    }

    /// Its address. A monitor's nonce is 0.
    pub fn address(&self) -> EntityAddr {
        EntityAddr::new(self.address, 0)
    }

    /// The address of its socket.
    pub fn socket(&self) -> SocketAddr {
        self.address
    }

    /// The id of its cluster.
    pub fn fsid(&self) -> &str {
        &self.fsid
    }

    /// Kills it with SIGKILL; true when it was running until then.
    pub fn kill(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return false };
        let was_running = matches!(child.try_wait(), Ok(None));
        // Both fail only for a process that is gone already.
        let _ = child.kill();
        let _ = child.wait();
        was_running
    }

    /// Starts it again on the same port with the same store, and waits until it leads its quorum.
    ///
    /// # Panics
    /// When it does not.
    pub fn restart(&mut self) {
        self.kill();
        self.run().unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the configuration, the map of monitors and the empty store.
    fn make(&self) -> io::Result<()> {
        let (dir, address, fsid) = (self.dir.path().display(), self.address, &self.fsid);
        let conf = format!(
            "[global]
fsid = {fsid}
mon_initial_members = a
mon_host = v1:{address}/0
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_bind_msgr2 = false
run_dir = {dir}/run
admin_socket = {dir}/run/asok
log_file = {dir}/log
pid_file = {dir}/run/pid
keyring = {dir}/keyring
# A full disk is no reason to give up.
mon_data_avail_crit = 0
debug_ms = 1
[mon.a]
mon_data = {dir}/data
public_addr = v1:{address}/0
"
        );
        fs::create_dir(self.path("data"))?;
        fs::create_dir(self.path("run"))?;
        fs::write(self.path("conf"), conf)?;
        let monmap = self.path("monmap");
        let mut monmaptool = Command::new("monmaptool");
        monmaptool.args(["--create", "--clobber", "--fsid", fsid, "--addv", "a", &format!("[v1:{address}/0]")]);
        self.tool(monmaptool.arg(&monmap))?;
        let mut mkfs = Command::new("ceph-mon");
        mkfs.arg("-c").arg(self.path("conf")).args(["-i", "a", "--mkfs", "--no-mon-config", "--monmap"]);
        self.tool(mkfs.arg(&monmap))
    }

    /// Runs a command to its end.
    fn tool(&self, command: &mut Command) -> io::Result<()> {
        let mut child = self.spawn(command)?;
        match wait(&mut child, TOOL_PATIENCE)? {
            Some(status) if status.success() => Ok(()),
            status => {
                let _ = child.kill();
                let _ = child.wait();
                Err(io::Error::other(format!("{command:?}: {status:?}\n{}", self.last_words())))
            }
        }
    }

    fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let out = File::options().create(true).append(true).open(self.path("out"))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()
    }

    /// Starts the process and waits until it leads.
    fn run(&mut self) -> io::Result<()> {
        let mut command = Command::new("setpriv");
        // Should this process be killed, nobody drops a `Mon`: then the kernel sees to its end.
        command.args(["--pdeathsig", "KILL", "--", "ceph-mon", "-i", "a", "-f", "-c"]).arg(self.path("conf"));
        self.child = Some(self.spawn(&mut command)?);
        let begun = Instant::now();
        loop {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().transpose()).transpose()?;
            if ended.is_some() || begun.elapsed() > QUORUM_PATIENCE {
                self.kill();
                let what = ended.map_or("it does not come to a quorum".to_owned(), |status| status.to_string());
                return Err(io::Error::other(format!("{what}\n{}", self.last_words())));
            }
            if leads(self.address).unwrap_or(false) {
                return Ok(());
            }
            thread::sleep(TICK);
        }
    }

    /// The end of its log and of its output.
    fn last_words(&self) -> String {
        [self.path("log"), self.path("out")].iter().map(|path| tail(path).unwrap_or_default()).collect()
    }
}

impl Drop for Mon {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            println!("the end of the monitor's log:\n{}", self.last_words());
        }
    }
}

/// Whether the monitor at this address leads its quorum and has a map of OSDs, by which it asks features of its peers.
fn leads(address: SocketAddr) -> io::Result<bool> {
    let (mut peer, _) = Peer::open(address, &Who::client())?;
    peer.ping()?;
    let status = body::status(&peer.message()?.front).unwrap_or_default();
    let (_, bare) = Peer::open(address, &Who { features: 0, ..Who::client() })?;
    Ok(status["mon_status"]["quorum"] == serde_json::json!([0]) && bare.fixed.tag == tag::FEATURES)
}

/// An address that nobody listens on.
fn free_port() -> io::Result<SocketAddr> {
    let mut address = loopback();
    loop {
        address.set_port(fastrand::u16(PORTS));
        match TcpListener::bind(address) {
            Ok(listener) => return listener.local_addr(),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits for a process to end, for so long.
fn wait(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        let status = child.try_wait()?;
        if status.is_some() || begun.elapsed() > patience {
            return Ok(status);
        }
        thread::sleep(TICK);
    }
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_SHOWN)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
