import { PolicyPack } from "@pulumi/policy";
import { RULES } from "./rules";

// Run by Pulumi itself, beside the program: pulumi up --policy-pack infra/policy. No service is asked.
new PolicyPack("bay-e2e", {
  enforcementLevel: "mandatory",
  policies: RULES.map(({ name, description, violations }) => ({
    name,
    description,
    validateResource: ({ type, urn, props }, report) => {
      for (const text of violations({ type, urn, props })) report(text);
    },
  })),
});
