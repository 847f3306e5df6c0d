//! What a request asks for: the 30 actions of the API model.

/// Lists the actions once: name, and whether it only reads.
macro_rules! actions {
    ($($name:ident $reads:literal,)*) => {
        /// An action of the API, called as in the API model.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Action { $($name,)* }

        impl Action {
            /// Every action, in the order of the alphabet.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in the API model.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The action of a name.
            pub fn of(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }

            /// Whether it changes nothing, so that read-only credentials may ask for it.
            pub fn only_reads(self) -> bool {
                match self { $(Self::$name => $reads,)* }
            }
        }
    };
}

actions! {
    CreateHttpNamespace false,
    CreatePrivateDnsNamespace false,
    CreatePublicDnsNamespace false,
    CreateService false,
    DeleteNamespace false,
    DeleteService false,
    DeleteServiceAttributes false,
    DeregisterInstance false,
    DiscoverInstances true,
    DiscoverInstancesRevision true,
    GetInstance true,
    GetInstancesHealthStatus true,
    GetNamespace true,
    GetOperation true,
    GetService true,
    GetServiceAttributes true,
    ListInstances true,
    ListNamespaces true,
    ListOperations true,
    ListServices true,
    ListTagsForResource true,
    RegisterInstance false,
    TagResource false,
    UntagResource false,
    UpdateHttpNamespace false,
    UpdateInstanceCustomHealthStatus false,
    UpdatePrivateDnsNamespace false,
    UpdatePublicDnsNamespace false,
    UpdateService false,
    UpdateServiceAttributes false,
}
