"""AWS's own validator and AWS Control Tower's rules over templates: what they find, as JSON.

    python validate.py RULES OUT REGION TEMPLATE...

RULES is the folder of the rules (*.guard); every finding at WARN or above goes to OUT.
"""

import json
import sys
from pathlib import Path

import cloudformation_validate as validate

rules_folder, out, region, *templates = sys.argv[1:]
rules = sorted(Path(rules_folder).rglob("*.guard"))
if len(rules) < 200:
    sys.exit(f"{rules_folder} has {len(rules)} rules: that can't be all of them")

engine = validate.CelEngine(
    validate.EngineConfig(guard_rules=[validate.file_to_external_rule_source(rule) for rule in rules])
)
config = validate.ValidateConfig(
    severity_level=validate.Severity.WARN,
    pseudo_parameter_overrides=validate.PseudoParameterOverrides(region=region),
)
findings = []
for template in templates:
    report = engine.validate_template(template, config)
    # Neither a parse error nor an analysis that stopped half-way may look like a clean template.
    if report.status.name != "OK":
        findings.append(
            {"tool": "validate", "rule": report.status.name, "on": "", "file": template, "message": "not analysed"}
        )
    for found in report.diagnostics:
        is_guard = found.source == validate.RuleOrigin.GUARD
        findings.append(
            {
                "tool": "guard" if is_guard else "validate",
                "rule": found.rule_id,
                "on": getattr(found.entity, "logical_id", None) or "",
                "file": template,
                # Of a rule of Control Tower: what it wants, not each of the comparisons that failed.
                "message": " ".join((is_guard and found.rule_description or found.message).split()),
            }
        )
Path(out).write_text(json.dumps(findings))
