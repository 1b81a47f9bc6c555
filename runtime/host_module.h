/* host_module.h: the built-in module _penny: what our Python files ask of the C side. */
#ifndef PENNY_HOST_MODULE_H
#define PENNY_HOST_MODULE_H

/* Before Py_Initialize: makes `import _penny` possible. Returns 0 or -1. */
int host_module_register(void);

#endif
