//! The machine a run was made on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Machine, kernel, limits and load around a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// CPU model as the kernel names it.
    pub cpu_model: String,
    /// CPUs this process may run on.
    pub cpus: u32,
    /// Physical memory, bytes.
    pub memory: u64,
    /// Kernel name and release.
    pub kernel: String,
    /// Hypervisor, when the CPU says that there is one.
    pub virtualised: bool,
    /// Frequency governor of CPU 0, when there is one.
    pub governor: Option<String>,
    /// Load average over one minute before the run.
    pub load_before: f64,
    /// Load average over one minute after the run.
    pub load_after: f64,
    /// Share of CPU time stolen by the hypervisor during the run, 0 to 1.
    pub steal: f64,
    /// Compiler that built the binary.
    pub rustc: String,
    /// Commit the binary was built from (`-dirty` when the tree was changed), when known.
    pub git: Option<String>,
    /// Whether the binary was built with optimisations.
    pub release: bool,
    /// Mitigations of the CPU's weaknesses that are on, by the kernel's names of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mitigations: Vec<String>,
    /// Flags of the compiler beside those of the build profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rustflags: Option<String>,
    /// Version of libzmq, when ZeroMQ can be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libzmq: Option<String>,
    /// Limits that can cap a run.
    pub limits: Vec<Limit>,
}

/// One limit of the host and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// Name, such as `pid_max`.
    pub name: String,
    /// Its value.
    pub value: u64,
    /// Where it comes from and how it is raised.
    pub source: String,
}
