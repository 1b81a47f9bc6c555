/* The helpers of PENNY's client, and the guards and errors of its types. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as penny from '@penny/sandbox-client';
import { OutputCollector, StreamManager, formatStreamOutput, parseServerSentEvent, type StreamEvent } from '@penny/sandbox-client';
import { result } from './fake.js';

const plot: penny.PlotData = { id: 'p', format: 'png', data: 'AP8=', metadata: { width: 1, height: 1, title: 'T' } };
const timestamp = '';
const EVENTS: StreamEvent[] = [
    { type: 'stdout', data: 'a\n', timestamp },
    { type: 'stderr', data: 'e', timestamp },
    { type: 'plot', data: plot, timestamp },
    { type: 'variable', data: { name: 'x', type: 'int', value: 1 }, timestamp },
    { type: 'variable', data: { name: '__proto__', type: 'int', value: 1 }, timestamp },
    { type: 'complete', data: result(), timestamp },
];

test('StreamManager keeps, tells and forgets', () => {
    const manager = penny.createStreamProcessor();
    const told: string[] = [];
    const onStdout = (event: penny.SandboxEvent) => void told.push(event.data);
    manager.on('stdout', onStdout);
    manager.on('complete', () => void told.push('complete'));
    EVENTS.forEach((event) => manager.handleStreamEvent(event));
    manager.off('stdout', onStdout);
    manager.handleStreamEvent(EVENTS[0]!);
    assert.deepEqual(told, ['a\n', 'complete']);
    assert.deepEqual([manager.getStdout(), manager.getStderr()], ['a\na\n', 'e']);
    assert.deepEqual(Object.keys(manager.getBuffer().variables), ['x', '__proto__']);
    assert.equal(
        formatStreamOutput(manager.getBuffer()),
        '=== Output ===\na\na\n\n=== Errors ===\ne\n=== Variables (2) ===\nx: int\n__proto__: int\n=== Plots (1) ===\nPlot 1: png (T)',
    );
    manager.clearBuffer();
    assert.equal(manager.getStdout(), '');
});

test('StreamManager leaves out what is not wanted and keeps the newest', () => {
    const manager = new StreamManager({ includeStderr: false, includeVariables: false, bufferSize: 2 });
    for (const data of ['1', '2', '3']) manager.handleStreamEvent({ type: 'stdout', data, timestamp });
    EVENTS.slice(1).forEach((event) => manager.handleStreamEvent(event));
    assert.equal(manager.getStdout(), '23');
    assert.equal(manager.getStderr(), '');
    assert.deepEqual(manager.getBuffer().variables, {});
});

test('processOutput and trackVariableChanges', () => {
    const manager = new StreamManager();
    assert.deepEqual(manager.processOutput('\x1b[1;31mred\x1b[0m\r\n\n\x1b]0;title\x07b\x1b[2K'), ['red', 'b']);
    assert.deepEqual(manager.trackVariableChanges({ a: 1, b: 2, c: 3 }, { a: 1, b: 3, d: 4, toString: 5 }), { added: ['d', 'toString'], modified: ['b'], removed: ['c'] });
});

test('ExecutionStream: callbacks, one run at a time', async () => {
    const stream = new penny.ExecutionStream();
    const told: unknown[] = [];
    stream.onStdout((data) => told.push(data));
    stream.onPlot((data) => told.push(data.id));
    stream.onVariable((data) => told.push(data.name));
    stream.onComplete((data) => told.push(data.status));
    const pending = stream.start(async (onEvent) => {
        await Promise.resolve();
        EVENTS.forEach(onEvent);
        return 5;
    });
    assert.ok(stream.isRunning());
    await assert.rejects(async () => stream.start(async () => 1), /already active/);
    assert.equal(await pending, 5);
    assert.ok(!stream.isRunning());
    assert.deepEqual(told, ['a\n', 'p', 'x', '__proto__', 'ok']);
    assert.deepEqual([stream.getOutput(), stream.getErrors(), stream.getPlots().length], ['a\n', 'e', 1]);
    stream.clear();
    assert.equal(stream.getOutput(), '');
});

test('OutputCollector and parseServerSentEvent', () => {
    const collector = new OutputCollector();
    assert.ok(collector.isEmpty());
    EVENTS.forEach((event) => collector.collect(event));
    assert.deepEqual([collector.getStdout(), collector.getStderr(), collector.getPlots().length], ['a\n', 'e', 1]);
    assert.deepEqual(Object.keys(collector.getVariables()), ['x', '__proto__']);
    collector.clear();
    assert.ok(collector.isEmpty());
    assert.deepEqual(parseServerSentEvent('data: {"type":"stdout","data":"a"}'), { type: 'stdout', data: 'a' });
    assert.deepEqual(parseServerSentEvent('id: 1\nevent: stdout\ndata:{"type":"stdout"}'), { type: 'stdout' });
    for (const nothing of ['', ': c', 'event: x', 'data: {']) assert.equal(parseServerSentEvent(nothing), null);
});

test('guards, constants, and the image of a plot', () => {
    assert.ok(penny.isNumPyArrayData({ type: 'numpy.ndarray' }) && !penny.isNumPyArrayData({ type: 'list' }));
    assert.ok(penny.isPandasDataFrameData({ type: 'pandas.DataFrame' }) && penny.isPandasSeriesData({ type: 'pandas.Series' }));
    assert.ok(penny.isMatplotlibPlot(plot) && !penny.isPlotlyPlot(plot) && penny.isPlotlyPlot({ ...plot, format: 'html' }));
    assert.deepEqual([...penny.plotBytes(plot)], [0, 255]);
    assert.equal(penny.plotDataUrl(plot), 'data:image/png;base64,AP8=');
    assert.deepEqual(
        [penny.SUPPORTED_PYTHON_VERSIONS[0], penny.DEFAULT_TIMEOUT, penny.DEFAULT_MAX_MEMORY, penny.DEFAULT_MAX_CPU, penny.MAX_VARIABLE_SIZE, penny.MAX_OUTPUT_SIZE, penny.MAX_PLOT_SIZE],
        ['3.11', 30000, 536870912, 50, 1048576, 10485760, 5242880],
    );
});

test("PENNY's error classes, and assertSuccess", () => {
    const timeout = new penny.ExecutionTimeoutError(5);
    assert.deepEqual([timeout.message, timeout.code, timeout.statusCode], ['Code execution timed out after 5ms', 'EXECUTION_TIMEOUT', 408]);
    const violation = new penny.SecurityViolationError([{ type: 'import', severity: 'high', description: 'os' }]);
    assert.deepEqual([violation.message, violation.code, violation.statusCode, violation.violations.length], ['Security violations detected: os', 'SECURITY_VIOLATION', 400, 1]);
    const limit = new penny.ResourceLimitError('memory', 1, 2);
    assert.deepEqual([limit.code, limit.statusCode, limit.details], ['RESOURCE_LIMIT_EXCEEDED', 429, { resource: 'memory', limit: 1, usage: 2 }]);
    for (const error of [timeout, violation, limit]) assert.ok(error instanceof penny.SandboxError && error instanceof Error);

    const failed = (status: string) => result({}, { success: false, status, error: { type: 'ValueError', message: 'no', traceback: '' } });
    assert.equal(penny.assertSuccess(result()).success, true);
    assert.throws(() => penny.assertSuccess(failed('timeout')), penny.ExecutionTimeoutError);
    assert.throws(() => penny.assertSuccess(failed('rejected')), penny.SecurityViolationError);
    assert.throws(() => penny.assertSuccess(failed('error')), (error: any) => error instanceof penny.ExecutionFailedError && error.message === 'ValueError: no' && error.result.status === 'error');
});
