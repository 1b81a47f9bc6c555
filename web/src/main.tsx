import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { Sandbox } from './app/sandbox';
import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/session.css';
import './styles/output.css';
import './styles/log.css';
import './styles/panels.css';
import './styles/variables.css';
import './styles/plots.css';
import './styles/lists.css';
import './styles/narrow.css';

const sandbox = new Sandbox();
void sandbox.begin();
createRoot(document.getElementById('root')!).render(<App sandbox={sandbox} />);
