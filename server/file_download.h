/* file_download.h: a file, or a part of one, sent to a client in slices, as fast as the client takes them and no faster. */
#ifndef PENNY_FILE_DOWNLOAD_H
#define PENNY_FILE_DOWNLOAD_H

#include <stdint.h>

#include "http.h"
#include "session.h"

/*
 * Answers the request with `length` bytes of the file from `from` on; headers must have been added. fd is owned. A file that shrinks
 * meanwhile, or a session that ends, cuts the answer so that the client notices.
 */
void file_download_start(struct session *session, struct http_request *request, int status, int fd, uint64_t from, uint64_t length);

#endif
