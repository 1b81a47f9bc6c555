/* version.h: what --version, /health and GET / say. */
#ifndef PENNY_VERSION_H
#define PENNY_VERSION_H

#define PENNY_VERSION "1.0.0"

#endif
