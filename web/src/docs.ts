/** The page at /docs: the contract that the server hands out, to read and to try. Nothing is asked of any other host. */
import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js';
import 'swagger-ui-dist/swagger-ui.css';
import './styles/docs.css';

SwaggerUI({
    url: '/openapi.json',
    dom_id: '#docs',
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: 'list',
    filter: true,
    tryItOutEnabled: false,
    // No validator of somebody else's, and no address but ours.
    validatorUrl: null,
    showExtensions: false,
});
