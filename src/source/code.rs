use super::Severity;

macro_rules! codes {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal $(, $severity:ident)?;)+) => {
        /// The stable name of each kind of mistake that a check can find.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])+ $variant,)+
        }

        impl Code {
            /// Every code, in the order in which they are documented.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// The name as users read it, in kebab-case.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)+ }
            }

            /// Whether it forbids the run.
            pub fn severity(self) -> Severity {
                match self { $(Code::$variant => codes!(@severity $($severity)?),)+ }
            }
        }
    };
    (@severity) => { Severity::Error };
    (@severity $severity:ident) => { Severity::$severity };
}

codes! {
    /// The text is no YAML.
    Syntax = "syntax";
    /// The file cannot be read.
    UnreadableFile = "unreadable-file";
    /// The file holds nothing, or more than one YAML document.
    NotOneDocument = "not-one-document";
    /// A key is written twice in one map.
    DuplicateKey = "duplicate-key";
    /// A map has a key that its kind does not know.
    UnknownKey = "unknown-key";
    /// A key that must be there is not.
    MissingKey = "missing-key";
    /// Keys that exclude each other stand together, or a key stands where it has no effect.
    ConflictingKeys = "conflicting-keys";
    /// A key, source or form that is known but not built yet.
    NotSupportedYet = "not-supported-yet";
    /// A value is of another type than its key takes.
    WrongType = "wrong-type";
    /// A value is none of the words that its key takes.
    UnknownWord = "unknown-word";
    /// A value is of the right type but cannot be: a duration without unit, a number out of range.
    InvalidValue = "invalid-value";
    /// An identifier holds characters that identifiers must not have.
    InvalidName = "invalid-name";
    /// A `${{ }}` expression cannot be parsed.
    TemplateSyntax = "template-syntax";
    /// A template is written in a form of another tool, or where none is taken.
    TemplateForm = "template-form";
    /// A JSONPath (RFC 9535) cannot be parsed.
    JsonPathSyntax = "json-path-syntax";
    /// No such name can be read at this place.
    UnknownName = "unknown-name";
    /// No step has that id.
    UnknownStep = "unknown-step";
    /// No provider has that name.
    UnknownProvider = "unknown-provider";
    /// The provider has no such operation.
    UnknownOperation = "unknown-operation";
    /// The operation has no such parameter.
    UnknownParameter = "unknown-parameter";
    /// The provider has no such credential.
    UnknownCredential = "unknown-credential";
    /// The provider has no such setting.
    UnknownSetting = "unknown-setting";
    /// The provider has no such login method.
    UnknownMethod = "unknown-method";
    /// The playbook has no such input.
    UnknownInput = "unknown-input";
    /// The playbook has no such secret.
    UnknownSecret = "unknown-secret";
    /// The step declares no such output.
    UnknownOutput = "unknown-output";
    /// The session has no such value.
    UnknownSessionValue = "unknown-session-value";
    /// Expressions have no such filter.
    UnknownFilter = "unknown-filter";
    /// Expressions have no such function.
    UnknownFunction = "unknown-function";
    /// Expressions have no such test.
    UnknownTest = "unknown-test";
    /// A filter or function is called with arguments that it does not take.
    WrongArguments = "wrong-arguments";
    /// An output is read before the step that yields it.
    UsedTooEarly = "used-too-early";
    /// An output is read of a step that `if` may skip.
    MaybeSkipped = "maybe-skipped";
    /// A name is out of reach here, such as a step inside a group.
    OutOfScope = "out-of-scope";
    /// Definitions refer to each other in a circle.
    Cycle = "cycle";
    /// Two things have the same name, or one hides the other.
    DuplicateName = "duplicate-name";
    /// A required input, parameter, setting, credential or provider is not given.
    MissingValue = "missing-value";
    /// A condition that is not a condition: a bare number or text.
    NotACondition = "not-a-condition";
    /// A secret is to be stored where no source can be written, or where another source would hide it.
    CannotStore = "cannot-store";
    /// An address is plain http to another machine, or no address at all.
    InsecureAddress = "insecure-address";
    /// An address or path is not of the form that its key takes.
    InvalidAddress = "invalid-address";
    /// A path to a file leads where the playbook may not read or write.
    FileOutOfReach = "file-out-of-reach";
    /// A literal stands where a secret should come from a source.
    LiteralSecret = "literal-secret", Warning;
    /// A setting makes the run less safe and is said in every run.
    Insecure = "insecure", Warning;
    /// Something works but is probably not what was meant.
    Suspicious = "suspicious", Warning;
}
