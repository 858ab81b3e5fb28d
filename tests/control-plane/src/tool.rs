//! The four programs.

/// One of the programs that a control plane consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Etcd,
    ApiServer,
    ControllerManager,
    Kubectl,
}

impl Tool {
    pub(crate) const ALL: [Self; 4] = [
        Self::Etcd,
        Self::ApiServer,
        Self::ControllerManager,
        Self::Kubectl,
    ];
    pub(crate) const SERVERS: [Self; 3] = [Self::Etcd, Self::ApiServer, Self::ControllerManager];

    /// The names of all programs' files.
    pub(crate) const NAMES: [&'static str; 4] = [
        Self::Etcd.name(),
        Self::ApiServer.name(),
        Self::ControllerManager.name(),
        Self::Kubectl.name(),
    ];

    /// The name of the program's file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
        }
    }
}

/// One `T` for each program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PerTool<T> {
    pub(crate) etcd: T,
    pub(crate) api_server: T,
    pub(crate) controller_manager: T,
    pub(crate) kubectl: T,
}

impl<T> PerTool<T> {
    pub(crate) fn from_fn(mut make: impl FnMut(Tool) -> T) -> Self {
        Self {
            etcd: make(Tool::Etcd),
            api_server: make(Tool::ApiServer),
            controller_manager: make(Tool::ControllerManager),
            kubectl: make(Tool::Kubectl),
        }
    }

    pub(crate) fn get(&self, tool: Tool) -> &T {
        match tool {
            Tool::Etcd => &self.etcd,
            Tool::ApiServer => &self.api_server,
            Tool::ControllerManager => &self.controller_manager,
            Tool::Kubectl => &self.kubectl,
        }
    }

    pub(crate) fn get_mut(&mut self, tool: Tool) -> &mut T {
        match tool {
            Tool::Etcd => &mut self.etcd,
            Tool::ApiServer => &mut self.api_server,
            Tool::ControllerManager => &mut self.controller_manager,
            Tool::Kubectl => &mut self.kubectl,
        }
    }
}
