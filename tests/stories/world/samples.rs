//! People and tenants of the emulator that the stories use (`src/emulator/people.rs`).

/// IDs of tenants.
pub const CONTOSO: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
pub const FABRIKAM: &str = "bbbbcccc-1111-dddd-2222-eeee3333ffff";

/// People of Contoso: Maya is an admin with three groups, Grace has more groups than a token holds.
pub const MAYA: &str = "maya@contoso.example";
pub const MAYA_ID: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0001";
pub const TOM: &str = "tom@contoso.example";
pub const TOM_ID: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0002";
pub const INES: &str = "ines@contoso.example";
pub const GRACE: &str = "grace@contoso.example";
pub const GRACE_ID: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0006";

/// People of Fabrikam; Felix claims Maya's address, and Priya is a guest at Contoso.
pub const FRIDA: &str = "frida@fabrikam.example";
pub const FRIDA_ID: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee000b";
pub const FELIX: &str = "felix@fabrikam.example";
pub const PRIYA: &str = "priya@fabrikam.example";

/// A group of Maya.
pub const FIRST_GROUP: &str = "0a1b2c3d-0000-4000-8000-000000000001";
