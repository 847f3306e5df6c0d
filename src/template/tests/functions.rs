//! What functions, parameters and conditions yield, seen through outputs.

use super::{SPACE, evaluated};

/// The value of an output with this expression, in a template with these other sections.
#[track_caller]
fn value_in(sections: &str, expression: &str, given: &[(&str, &str)]) -> String {
    let text = format!("{SPACE}{sections}\nOutputs:\n  O: {{Value: {expression}}}\n");
    evaluated(&text, given).outputs[0].value.to_string()
}

/// The value of an expression.
#[track_caller]
fn value(expression: &str) -> String {
    let parameters = "Parameters:\n  P: {Type: String, Default: p}\n  L: {Type: CommaDelimitedList, Default: 'a, b,c'}\n\
                      Mappings: {M: {k: {x: 1, y: [u, v]}}}\n\
                      Conditions: {Yes: !Equals [!Ref P, p], No: !Not [Condition: Yes]}";
    value_in(parameters, expression, &[])
}

#[test]
fn short_and_long_forms_are_the_same() {
    for (short, long, expected) in [
        ("!Ref P", "{Ref: P}", "p"),
        ("!Sub '<${P}>'", "{'Fn::Sub': '<${P}>'}", "<p>"),
        ("!GetAtt Space.Arn", "{'Fn::GetAtt': [Space, Arn]}", "${Space.Arn}"),
        ("!Join ['-', [a, !Ref P]]", "{'Fn::Join': ['-', [a, {Ref: P}]]}", "a-p"),
        ("!Select [1, !Ref L]", "{'Fn::Select': ['1', {Ref: L}]}", "b"),
        ("!Select [1, !Split [':', 'x:y:z']]", "{'Fn::Select': [1, {'Fn::Split': [':', 'x:y:z']}]}", "y"),
        ("!If [Yes, a, b]", "{'Fn::If': [No, b, a]}", "a"),
        ("!FindInMap [M, k, x]", "{'Fn::FindInMap': [M, k, x]}", "1"),
    ] {
        assert_eq!((value(short), value(long)), (expected.to_owned(), expected.to_owned()), "{short}");
    }
}

#[test]
fn references_stay_until_there_is_a_resource() {
    assert_eq!(value("!Ref Space"), "${Space}");
    assert_eq!(value("!Sub 'a ${Space} ${Space.Name} ${!Space}'"), "a ${Space} ${Space.Name} ${Space}");
    assert_eq!(value("!Sub ['${X}/${P}', {X: !Join ['.', [!Ref Space, x]]}]"), "${Space}.x/p");
    assert_eq!(value("!Join [',', !FindInMap [M, k, y]]"), "u,v");
    assert_eq!(value("!Join [',', [a, !Ref 'AWS::NoValue', !If [No, b, !Ref AWS::NoValue]]]"), "a");
}

#[test]
fn pseudo_parameters_are_those_of_the_stack() {
    let all = "!Sub '${AWS::Region} ${AWS::AccountId} ${AWS::StackName} ${AWS::Partition} ${AWS::URLSuffix}'";
    assert_eq!(value(all), "eu-central-1 123456789012 shop aws amazonaws.com");
    assert!(value("!Ref AWS::StackId").starts_with("arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/"));
}

#[test]
fn conditions_build_on_each_other() {
    let sections = "Parameters: {P: {Type: String, Default: a}}\nConditions:\n  A: !Equals [!Ref P, a]\n  \
                    B: !Equals [!Ref P, b]\n  Both: !And [!Condition A, !Condition B]\n  \
                    Any: !Or [Condition: A, {'Fn::Equals': [x, y]}]\n";
    let of = |name: &str, given: &[(&str, &str)]| value_in(sections, &format!("!If [{name}, yes, no]"), given);
    assert_eq!([of("A", &[]), of("B", &[]), of("Both", &[]), of("Any", &[])], ["yes", "no", "no", "yes"]);
    assert_eq!([of("A", &[("P", "b")]), of("B", &[("P", "b")]), of("Any", &[("P", "b")])], ["no", "yes", "no"]);
}

#[test]
fn values_that_are_given_win_over_defaults() {
    let sections = "Parameters: {N: {Type: Number, Default: 1, MaxValue: 5}, E: {Type: String, Default: ''}}";
    assert_eq!(value_in(sections, "!Sub '${N}${E}.'", &[]), "1.");
    assert_eq!(value_in(sections, "!Sub '${N}${E}.'", &[("N", "3"), ("E", "x")]), "3x.");
}

#[test]
fn secrets_are_covered() {
    let text = format!(
        "{SPACE}Parameters: {{S: {{Type: String, NoEcho: true}}}}\nOutputs: {{O: {{Value: !Sub 'is ${{S}}'}}}}\n"
    );
    let evaluated = evaluated(&text, &[("S", "hunter2")]);
    assert_eq!(evaluated.covered(&evaluated.outputs[0].value.to_string()), "is ****");
}

#[test]
fn ignored_resources_have_the_values_that_are_given() {
    let text = "Resources:\n  Vpc: {Type: AWS::EC2::VPC}\n  Lb: {Type: AWS::X::Y}\n  Space:\n    Type: \
                AWS::ServiceDiscovery::PrivateDnsNamespace\n    Properties: {Name: a.local, Vpc: !Ref Vpc, \
                Description: !GetAtt Lb.DNSName}\nOutputs: {O: {Value: !GetAtt Lb.Other}}\n";
    let evaluated = evaluated(text, &[("Lb.DNSName", "lb.example")]);
    let ignored: Vec<_> = evaluated.ignored.iter().map(|(id, kind)| (&**id, &**kind)).collect();
    assert_eq!(ignored, [("Vpc", "AWS::EC2::VPC"), ("Lb", "AWS::X::Y")]);
    let super::super::Kind::Namespace(namespace) = &evaluated.resources[0].kind else { panic!() };
    assert_eq!((&*namespace.vpc.as_ref().unwrap().value, evaluated.outputs.len()), ("Vpc", 0));
    assert_eq!(namespace.description.as_ref().unwrap().value.to_string(), "lb.example");
    assert!(evaluated.notes[0].starts_with("Vpc is an AWS::EC2::VPC"), "{:?}", evaluated.notes);
    assert!(
        evaluated.notes[1].starts_with("the output O is left out: Other of Lb is not known"),
        "{:?}",
        evaluated.notes
    );
}
