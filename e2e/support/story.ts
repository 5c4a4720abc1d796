/**
 * `story(title, implementation)`: a test that needs namespaces. Where they cannot be made it is reported as skipped,
 * never as passed. The stories of a file run one after the other.
 */
import test from "ava";
import { namespaceSupport } from "../../lab/launcher/namespace-support.ts";

const support = await namespaceSupport();
if (!support.supported) process.stderr.write(`!!! Stories are SKIPPED, no namespaces here: ${support.reason}\n`);

export const story = support.supported ? test.serial : test.serial.skip;
