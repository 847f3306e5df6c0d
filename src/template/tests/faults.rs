//! Faults, each with its place.

use super::{SPACE, faults};

/// The one fault of a template.
#[track_caller]
fn fault(text: &str) -> String {
    let mut found = faults(text, &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

/// The one fault of an expression, which stands in line 4, column 14.
#[track_caller]
fn of(expression: &str) -> String {
    fault(&format!("{SPACE}Outputs:\n  O: {{Value: {expression}}}\n"))
}

#[test]
fn functions_say_what_they_take() {
    for (expression, expected) in [
        (
            "!Ref Spaec",
            "t.yaml:4:14: Outputs.O.Value: Spaec is not a parameter or a resource of this template; allowed are Space; did you mean Space?",
        ),
        (
            "!GetAtt Space.Ar",
            "t.yaml:4:14: Outputs.O.Value: Ar is not an attribute of Space, an AWS::ServiceDiscovery::HttpNamespace; allowed are Id, Arn, Name; did you mean Arn?",
        ),
        (
            "!GetAtt Space",
            "t.yaml:4:14: Outputs.O.Value: Space has no attribute; allowed is Resource.Attribute or [Resource, Attribute]",
        ),
        (
            "!Ref AWS::Regoin",
            "t.yaml:4:14: Outputs.O.Value: AWS::Regoin is not a pseudo parameter; allowed are AWS::Region, ",
        ),
        ("!Sbu x", "t.yaml:4:14: Outputs.O.Value: Sbu is not a function; allowed are Ref, GetAtt, Sub, "),
        (
            "!ImportValue x",
            "t.yaml:4:14: Outputs.O.Value: ImportValue takes what another stack exports, which is not known here; use a parameter instead",
        ),
        ("!Select [2, [a, b]]", "t.yaml:4:23: Outputs.O.Value: 2 is not an index of the list; allowed are 0 to 1"),
        ("!Join [a]", "t.yaml:4:14: Outputs.O.Value: this is no argument of Join; allowed is [delimiter, [value, …]]"),
        (
            "!Split [':', !GetAtt Space.Arn]",
            "t.yaml:4:27: Outputs.O.Value: ${Space.Arn} is known only once the resource exists; ",
        ),
        ("!If [C, a, b]", "t.yaml:4:19: Outputs.O.Value: C is not a condition of this template; allowed are none"),
        ("!Sub '${P'", "t.yaml:4:14: Outputs.O.Value: ${ has no } behind it in ${P"),
        ("!Equals [a, b]", "t.yaml:4:14: Outputs.O.Value: Equals yields a condition; "),
        ("!FindInMap [M, a, b]", "t.yaml:4:26: Outputs.O.Value: M is not a mapping; allowed are none"),
    ] {
        let found = of(expression);
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn parameters_keep_their_rules() {
    let of = |rules: &str, given: &[(&str, &str)]| {
        let found = faults(&format!("{SPACE}Parameters:\n  P: {{{rules}}}\n"), given);
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0].clone()
    };
    let place = "t.yaml:4:3: Parameters.P: ";
    let given = [("P", "x1")];
    assert_eq!(of("Type: String", &[]), format!("{place}give it with --parameters P=VALUE"));
    assert_eq!(
        of("Type: String, AllowedValues: [a, b]", &given),
        format!("{place}the value x1 is not allowed; allowed are a, b")
    );
    let message = format!("{place}the value x1 is not allowed; allowed are values that match [a-z]+ (letters only)");
    assert_eq!(of("Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: letters only", &given), message);
    assert_eq!(
        of("Type: String, MinLength: 3", &given),
        format!("{place}the value x1 is not allowed; allowed are 3 and more characters")
    );
    assert_eq!(of("Type: List<Number>", &given), format!("{place}the value x1 is not allowed; allowed are numbers"));
    assert!(
        of("Type: Strin, Default: a", &[])
            .starts_with("t.yaml:4:13: Parameters.P.Type: Strin is not a type of parameter")
    );
    assert!(of("Type: String, Default: a, Defualt: b", &[]).ends_with("did you mean Default?"));
    let found = of("Type: String, Default: a", &[("Q", "1")]);
    assert_eq!(found, "t.yaml: Q: Q is not a parameter of this template; allowed are P");
}

#[test]
fn properties_have_places_and_the_nearest_name() {
    let text = "Resources:\n  Api:\n    Type: AWS::ServiceDiscovery::Service\n    Properties:\n      Nmae: api\n      \
                NamespaceId: ns-aaaaaaaaaaaaaaaa\n      DnsConfig:\n        DnsRecords:\n          - {Type: MX, TTL: 10}\n          \
                - {Type: A, TTL: soon}\n";
    let found = faults(text, &[]);
    let expected = [
        "t.yaml:5:7: Resources.Api.Properties.Nmae: the key is not known; allowed are Name, NamespaceId, ",
        "t.yaml:9:20: Resources.Api.Properties.DnsConfig.DnsRecords[0].Type: MX is not a record type; ",
        "t.yaml:10:28: Resources.Api.Properties.DnsConfig.DnsRecords[1].TTL: soon is not a TTL; ",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
    assert!(found[0].ends_with("did you mean Name?"));
}

#[test]
fn resources_that_need_each_other_are_told() {
    let text = "Resources:\n  A: {Type: AWS::X::A, DependsOn: B}\n  B: {Type: AWS::X::B, DependsOn: [C]}\n  \
                C: {Type: AWS::X::C, DependsOn: A}\n";
    assert_eq!(fault(text), "t.yaml:2:3: Resources.A: the resources need each other in a circle: A -> B -> C -> A");
    let text = "Resources:\n  A: {Type: AWS::X::A, DependsOn: D}\n";
    assert_eq!(fault(text), "t.yaml:2:35: Resources.A.DependsOn: D is not a resource of this template; allowed are A");
}

#[test]
fn what_is_needed_of_an_ignored_resource_must_be_given() {
    let text = "Resources:\n  Lb: {Type: AWS::X::Y}\n  S:\n    Type: AWS::ServiceDiscovery::HttpNamespace\n    Properties: \
                {Name: !GetAtt Lb.Name}\n";
    let expected = "t.yaml:5:24: Resources.S.Properties.Name: Name of Lb is not known, because an AWS::X::Y is ignored here; \
                    give it with --parameters Lb.Name=VALUE";
    assert_eq!(fault(text), expected);
}

#[test]
fn conditions_that_build_on_themselves_are_told() {
    let text = format!("{SPACE}Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\n");
    assert_eq!(fault(&text), "t.yaml:4:3: Conditions.A: the condition depends on itself");
    let text = format!("{SPACE}Conditions:\n  A: !Equals [!Ref Space, b]\n");
    assert!(fault(&text).starts_with("t.yaml:4:15: Conditions.A: Space is a resource, which no condition can know"));
}

#[test]
fn what_is_no_template_of_ours_is_told() {
    assert_eq!(fault("AWSTemplateFormatVersion: 2010-09-09\n"), "t.yaml:1:1: Resources is missing");
    assert!(
        fault(&format!("Transform: AWS::Serverless-2016-10-31\n{SPACE}")).starts_with("t.yaml:1:1: Transform: macros")
    );
    let text = "Resources:\n  A: {Type: AWS::ServiceDiscovery::Servic}\n";
    assert!(fault(text).ends_with("did you mean AWS::ServiceDiscovery::Service?"));
}
