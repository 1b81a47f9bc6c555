export { default as CodeEditor, type CodeEditorHandle, type CodeEditorProps } from './CodeEditor';
export { default as OutputPanel, type OutputPanelProps, type PanelOutput } from './OutputPanel';
export { default as PlotViewer, type PlotViewerProps } from './PlotViewer';
export { default as VariableInspector, type VariableInspectorProps } from './VariableInspector';
