/*
 * wire.h: the frames between the server and a worker (the Python process of one session).
 *
 * Two pipes per session: the request pipe (server to worker) and the event pipe (worker to server). Both carry frames: a
 * 16-byte head in host byte order (the two ends are always on one machine), then `length` bytes of payload.
 * A payload longer than FRAME_PAYLOAD_MAX is sent as several frames of the same type, all but the last with FRAME_MORE.
 *
 * The worker is hostile. The server checks every head against the table in server/worker_rule.c (which type may come in which
 * state, how long a whole payload may be), re-encodes all text and re-reads all JSON. A frame out of the table ends that
 * worker, never the server.
 */
#ifndef PENNY_WIRE_H
#define PENNY_WIRE_H

#include <stdint.h>

enum {
    FRAME_HEAD_BYTES  = 16,
    FRAME_PAYLOAD_MAX = 65536 - 16, /* one frame always fits an empty pipe */
};

struct frame_head {
    uint16_t length;    /* payload bytes that follow, 0..FRAME_PAYLOAD_MAX */
    uint8_t  type;      /* enum request_type or enum event_type */
    uint8_t  flags;     /* FRAME_* below; other bits must be 0 */
    uint16_t raw[2];    /* event pipe only, else 0: how many bytes waited in the raw stdout and stderr pipe when this was sent (FIONREAD;
                         FRAME_RAW_MANY: that many or more). They are read before this frame is handled, and what came behind them is
                         not, so that text keeps its order */
    uint64_t execution; /* the server's serial number of the execution (or inspection) it belongs to; events echo it */
};

enum frame_flags {
    FRAME_MORE = 1, /* the payload goes on in the next frame of this type */
};

enum { FRAME_RAW_MANY = UINT16_MAX };

/* Server to worker. */
enum request_type {
    REQUEST_SETUP   = 1, /* JSON object, any of {"variables":{},"envVars":{},"stdin":"","profile":"open","reseed":true}: options of the
                            REQUEST_EXECUTE with the same execution number that follows. Sent only when there is an option
                            to set, so that a plain cell is one frame.
                            "directory": the working directory from now on, unless it was told this one before.
                            "data": true: figures come with what they show (PlotData's "chart"), tables with their columns.
                            "memoryBelow": bytes that this cell may use less than the session.
                            "uploads": paths that were written from outside since the last cell, or true: all that there is;
                            artifacts leave them out as they are now. */
    REQUEST_EXECUTE = 2, /* the cell: raw UTF-8 source, no JSON */
    REQUEST_INPUT   = 3, /* UTF-8 text that answers EVENT_INPUT_REQUEST, without the newline; U+0004 alone: there is no more input */
    REQUEST_INSPECT = 4, /* JSON {"op": "list"|"get"|"set"|"delete"|"clear"|"names"|..., ...} between cells; answered by EVENT_REPLY */
    REQUEST_PARK    = 5, /* between cells: fork a parked copy of the interpreter; answered by EVENT_PARKED */
    REQUEST_PING    = 6, /* empty: answered by EVENT_PONG when it is read, which is between cells or while a cell waits for input. By what
                            has come before it a server that took the session over knows which request its predecessor still sent */
    REQUEST_SHED    = 7, /* empty, not answered: nothing is wanted for now, so memory that only makes a first cell faster may go. Where
                         something has run already it means nothing */
};

/* Worker to server. */
enum event_type {
    EVENT_READY         = 64, /* JSON {"python":"3.11.2","pid":n}: once, when the worker can take requests; and again by a parked
                                 copy that was woken, with {"restored":executionCount} */
    EVENT_STDOUT        = 65, /* UTF-8 text (the server replaces what is not) */
    EVENT_STDERR        = 66,
    EVENT_DISPLAY       = 67, /* JSON MimeBundle {"data":{mime:value},"metadata":{},"isMainResult":bool}: a last expression or display() */
    EVENT_PLOT          = 68, /* JSON PlotData {"id","format","data"(base64 or text),"metadata"} */
    EVENT_VARIABLE      = 69, /* JSON VariableData with "name": a name this cell created or changed */
    EVENT_INPUT_REQUEST = 70, /* JSON {"prompt","password"}: the cell waits for REQUEST_INPUT */
    EVENT_DONE          = 71, /* JSON {"status":"ok"|"error"|"memory"|"interrupted"|"rejected","executionCount":n,
                                 "error":{type,message,traceback,line?}?, "cpuUser":us,"cpuSystem":us,"memoryPeak":bytes,
                                 "memory":bytes,"threads":n,"artifacts":[{"path","size","mime"}]?,"artifactsOmitted":n?}: the
                                 cell has ended; exactly one per REQUEST_EXECUTE. Artifacts: files of the workspace that it made
                                 or changed; omitted: how many more there are */
    EVENT_REPLY         = 72, /* JSON answer to REQUEST_INSPECT: {"ok":true,...} or {"ok":false,"error":{type,message}} */
    EVENT_PARKED        = 73, /* JSON {"pid":n,"executionCount":n,"channel":bool,"cpu":us} or {"pid":0,"reason":"..."} when it can't
                                 be done truthfully. "channel" false: code of the session has closed the channel, no member can come of it */
    EVENT_PONG          = 74, /* to REQUEST_PING: "input" while a cell waits for REQUEST_INPUT, else "idle" */
};

/*
 * The control socket between the server and the init of a jail (pid 1 of it): SOCK_SEQPACKET, one struct per packet. Init reads no JSON
 * and trusts no pid that is not its own child.
 *
 * A jail holds one interpreter at first, its member 0, and more when a session is forked: each member has pipes, parked copies and
 * children of its own. All messages but EXIT and FILE name the member they are about.
 */
enum control_type {
    /* server to init */
    CONTROL_INTERRUPT = 1, /* SIGINT: sigqueue() to the worker with value = execution & 0x7fffffff, plain SIGINT to the rest of its group */
    CONTROL_KILL_WORKER = 2,  /* SIGKILL to every process of the member but its parked copies */
    CONTROL_WAKE        = 3,  /* `pid` is a parked copy: make it the worker (WAKE_SIGNAL), after the former one is gone */
    CONTROL_DROP        = 4,  /* `pid` is a parked copy: end it */
    CONTROL_RESPAWN     = 5,  /* a fresh worker (state as after start, files kept) for a member that has none. Answer: it is forked, or
                                 CONTROL_WORKER_WANTED */
    CONTROL_PARKED      = 6,  /* `pid` is a parked copy from now on: not killed by CONTROL_KILL_WORKER */
    CONTROL_DESCRIPTORS = 7,  /* send the server's ends of all members again. Answer: one CONTROL_DESCRIPTORS_REPLY for each */
    CONTROL_EXIT        = 8,  /* end the session; also meant by closing the last server end of this socket */
    CONTROL_FILE        = 9,  /* struct control_file: something is wanted of the workspace. Answer: CONTROL_FILE_REPLY */
    CONTROL_ADOPT       = 10, /* `pid` is a parked copy of any member: from it comes the worker of the new member `member`, on the
                                 descriptors that come along (enum member_fd). `status`: enum adopt_flags.
                                 Answer: CONTROL_WORKER_STARTED and the worker's EVENT_READY with "restored", or CONTROL_ADOPT_FAILED */
    CONTROL_END_MEMBER  = 11, /* SIGKILL to every process of the member, parked copies included; there is no such member any more.
                                 Answer: CONTROL_MEMBER_GONE. The last one's end is the session's */
    CONTROL_LOG         = 12, /* one descriptor: the log to keep for this member instead of the one it was made with */
    CONTROL_SUCCEED     = 13, /* as END_MEMBER, but its parked copies live on, as those of the member with the number `execution` */
    CONTROL_FOLD   = 15, /* the server has closed its ends of the pipes that it reads: init watches them, unless `status` is FOLD_BLIND,
                            and sends them when bytes are there, as if asked by CONTROL_UNFOLD */
    CONTROL_UNFOLD = 16, /* answer: CONTROL_UNFOLDED. Asking twice does no harm: what comes once more is closed */
    CONTROL_WORKER = 14, /* from the zygote: `pid` is the fresh worker of the member, waiting for its descriptors at the other end of the
                                 descriptor that comes along (worker.h); 0: none could be had */
    /* init to server */
    CONTROL_WORKER_STARTED = 64, /* `pid` (in the session's pid namespace) */
    CONTROL_WORKER_EXITED  = 65, /* `pid`, `status` as from waitpid() */
    CONTROL_PARKED_EXITED  = 66, /* `pid`, `status` */
    CONTROL_FILE_REPLY     = 68, /* struct control_file_reply */
    CONTROL_DESCRIPTORS_REPLY =
        67, /* SESSION_FD_REQUEST, EVENT, STDOUT, STDERR and LOG, in this order, by SCM_RIGHTS; `pid` is the worker's, or 0 and
               `status` as the last one left it. `execution`: how many members' replies are still to come */
    CONTROL_WORKER_WANTED = 71, /* to CONTROL_RESPAWN and ADOPT_FRESH: of a former worker nothing is left; ZYGOTE_WORKER is wanted */
    CONTROL_UNFOLDED      = 72, /* SESSION_FD_EVENT, STDOUT and STDERR of the member, in this order, by SCM_RIGHTS; not watched any more */
    CONTROL_MEMBER_GONE   = 69, /* no process of it is left */
    CONTROL_ADOPT_FAILED  = 70, /* `status`: an errno. There is no such member */
};

enum adopt_flags {
    ADOPT_KEEP = 1, /* the parked copy stays parked, and a fork of it is the worker; else it is the worker itself */
    ADOPT_FRESH =
        2, /* no parked copy, `pid` is 0: the worker is as after start, as with CONTROL_RESPAWN. Its EVENT_READY has no "restored" */
};

/* `status` of CONTROL_FOLD: the server does not want to read now what is there, only when it asks. */
enum { FOLD_BLIND = 1 };

/* Order of the descriptors of CONTROL_ADOPT: the worker's ends, then the server's ends, of which init keeps duplicates. */
enum member_fd {
    MEMBER_FD_REQUEST,
    MEMBER_FD_EVENT,
    MEMBER_FD_STDOUT,
    MEMBER_FD_STDERR,
    MEMBER_FD_SERVER, /* as in CONTROL_DESCRIPTORS_REPLY */
    MEMBER_SERVER_FDS = 5,
    MEMBER_FOLDED     = MEMBER_FD_SERVER + 1, /* the first of those that CONTROL_UNFOLDED brings */
    MEMBER_FOLDED_FDS = 3,
    MEMBER_FD_COUNT   = MEMBER_FD_SERVER + MEMBER_SERVER_FDS
};

enum { FAMILY_MAX = 32 /* members of one jail */ };

struct control_message {
    uint32_t type;
    int32_t  pid;
    int32_t  status;
    uint32_t member; /* a number that the server gives, greater than all before it in this jail */
    uint64_t execution;
};

/*
 * The session's files. The server is another user and can't see the session's mounts: init acts for it, as the session's user, so that
 * owners, modes and quotas are the session's own. It resolves every path beneath the workspace whatever links and renames are met on the
 * way, and hands out regular files only. The server reads and writes through the descriptor it gets.
 */
enum control_file_operation {
    FILE_STAT   = 1, /* the entry itself, links not followed */
    FILE_OPEN   = 2, /* a regular file, for reading. A descriptor */
    FILE_CREATE = 3, /* a new file, empty, for writing. A descriptor */
    FILE_RENAME = 4, /* path becomes other; what was there is replaced, unless it is a directory */
    FILE_MKDIR  = 5,
    FILE_REMOVE = 6, /* a file, link or empty directory; with FILE_TREE a directory with all that is in it */
    FILE_LIST   = 7, /* what is in a directory, `depth` levels deep, written into the memfd that comes with the packet */
    FILE_USAGE  = 8, /* bytes and entries of the whole workspace, and what is left */
};

enum control_file_flags {
    FILE_PARENTS = 1, /* RENAME, MKDIR: makes the directories above `other` or `path` that are missing */
    FILE_NEW     = 2, /* RENAME: EEXIST when `other` exists */
    FILE_TREE    = 4, /* REMOVE. EAGAIN: some of it is gone, ask again for the rest */
};

enum {
    FILE_PATH_BYTES  = 1024,    /* with its NUL. Relative, without "." or ".." as a part, and without an empty one */
    FILE_DEPTH_MAX   = 32,      /* of FILE_LIST */
    FILE_LIST_BYTES  = 4 << 20, /* size of the memfd */
    FILE_ENTRIES_MAX = 20000,   /* of one FILE_LIST */
};

/* Files that are being uploaded have names in the workspace itself that begin so; FILE_LIST and FILE_USAGE pass over them. */
#define FILE_UPLOAD_PREFIX ".penny-upload-"

struct control_file {
    uint32_t type;    /* CONTROL_FILE */
    uint32_t request; /* echoed */
    uint32_t operation, flags;
    uint32_t mode;                                          /* permissions of CREATE and MKDIR, and of directories that RENAME makes */
    uint32_t depth;                                         /* LIST: 1 or more */
    uint32_t member;                                        /* who asks; echoed. The files are those of all members */
    char     path[FILE_PATH_BYTES], other[FILE_PATH_BYTES]; /* "" is the workspace itself */
};

struct control_file_reply {
    uint32_t type; /* CONTROL_FILE_REPLY */
    uint32_t request;
    int32_t  error; /* errno, or 0 */
    uint32_t mode;  /* st_mode */
    uint64_t size;  /* bytes; LIST: bytes written; USAGE: bytes used */
    uint64_t inode;
    int64_t  modified_ns, changed_ns;  /* since 1970 */
    uint64_t entries;                  /* LIST: records; USAGE: entries used */
    uint64_t bytes_left, entries_left; /* USAGE: by the kernel's count; UINT64_MAX where it keeps none */
    uint32_t replaced;                 /* RENAME: `other` existed */
    uint32_t is_cut;                   /* LIST, USAGE: there is more than was looked at */
    uint32_t member, reserved;
};

/* One record of FILE_LIST; `length` bytes of path (relative to the one asked for, any bytes but NUL) follow. Depth first. */
struct control_file_entry {
    uint32_t length;
    uint32_t mode;
    uint64_t size;
    int64_t  modified_ns;
};

/*
 * A parked copy waits in sigwaitinfo() for one of these signals from init (si_code SI_USER, si_pid init's pid; anything else is
 * ignored). WAKE_SIGNAL: it is its member's worker from now on. ADOPT_SIGNAL: a struct adopt_order for it is in the channel.
 * SIGRTMIN of glibc is 34.
 */
enum { WAKE_SIGNAL = 40, ADOPT_SIGNAL = 41 };

/* Descriptors of a worker, at fixed numbers; everything else is closed before user code runs. 0 is /dev/null, 1 and 2 the raw pipes. */
enum { WORKER_REQUEST_FD = 3, WORKER_EVENT_FD = 4, WORKER_CHANNEL_FD = 5, WORKER_FD_END };

/*
 * The channel: a SOCK_SEQPACKET pair per member, from init to the member's parked copies. Code of the session can read and close it,
 * too. What it can take there are the ends of pipes for a copy of itself: the copy then fails, and nobody else has harm.
 */
enum adopt_fd { ADOPT_FD_REQUEST, ADOPT_FD_EVENT, ADOPT_FD_STDOUT, ADOPT_FD_STDERR, ADOPT_FD_CHANNEL, ADOPT_FD_COUNT };

/* Init to a parked copy, ADOPT_FD_COUNT descriptors beside it. */
struct adopt_order {
    int32_t  pid; /* of the parked copy it is meant for */
    uint32_t member;
    uint32_t flags; /* enum adopt_flags */
    uint32_t reserved;
    uint64_t mark; /* of the member's processes, see init_mark.h */
};

/* The parked copy to init, when it stays parked or has failed. */
struct adopt_report {
    int32_t  copy;   /* its own pid */
    int32_t  pid;    /* of the new worker; 0: none */
    int32_t  error;  /* an errno, when there is none */
    uint32_t member; /* of the order; 0: there was none for it */
};

#endif
