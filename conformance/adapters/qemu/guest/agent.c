/* The only program of a guest: process 1, which carries out system calls that are asked for over a virtio-serial port.

   A request is a piece of memory that is placed at the fixed address of `image`: a header, whatever the calls read, a
   table of calls, and room for what they write. The other side sets the pointers, since it knows the address. The
   answer is the memory from the table on. `link` names, one byte for each argument, the call whose result is to be that
   argument (0: none); a call with `stop` that fails cancels those behind it. `trim` is the size of the last piece of
   memory, of which only as many bytes are sent back as the last call returned.

   A SPAWN starts a program beside this one: its path, arguments and environment are those of execve. It has the console.

   The sockets that the other side has put on `poller` are told of once after each ARM. No C library is needed.
*/

typedef long word;

enum { READ = 0, WRITE = 1, OPEN = 2, CLOSE = 3, POLL = 7, SLEEP = 35, FORK = 57, EXECVE = 59, EXIT = 60, MKDIR = 83, MOUNT = 165, EPOLL_WAIT = 232,
       EPOLL_CREATE = 291, FINIT_MODULE = 313 };
enum { ROOM = 1 << 20, EVENTS = 64, HELLO = 0, REPLY = 1, READY = 2, ARM = -1, DISARM = -2, SPAWN = -3, CANCELLED = -125 };

struct call { word number, argument[6], link, stop, result; };
struct head { word size, table, calls, to, trim; };

static char image[ROOM] __attribute__((aligned(4096)));
static char events[12 * EVENTS];
static word port, poller, armed;

word sys(word *call);
__asm__(".globl sys\n"
        "sys:\n push %rbx\n mov %rdi, %rbx\n"
        " mov 0(%rbx), %rax\n mov 8(%rbx), %rdi\n mov 16(%rbx), %rsi\n mov 24(%rbx), %rdx\n"
        " mov 32(%rbx), %r10\n mov 40(%rbx), %r8\n mov 48(%rbx), %r9\n syscall\n pop %rbx\n ret\n"
        ".globl _start\n_start:\n call serve\n hlt\n");

static word ask(word number, word a, word b, word c, word d, word e)
{
    word call[7];
    call[0] = number; call[1] = a; call[2] = b; call[3] = c; call[4] = d; call[5] = e; call[6] = 0;
    return sys(call);
}

static void pause_ms(word ms)
{
    word time[2];
    time[0] = 0; time[1] = ms * 1000000;
    ask(SLEEP, (word)time, 0, 0, 0, 0);
}

static void receive(char *place, word size)
{
    while (size > 0) {
        word done = ask(READ, port, (word)place, size, 0, 0);
        if (done > 0) { place += done; size -= done; } else pause_ms(1);
    }
}

static void transmit(word kind, char *place, word size)
{
    word head[2];
    int part;
    head[0] = kind; head[1] = size;
    for (part = 0; part < 2; part++) {
        char *from = part ? place : (char *)head;
        word left = part ? size : (word)sizeof head;
        while (left > 0) {
            word done = ask(WRITE, port, (word)from, left, 0, 0);
            if (done > 0) { from += done; left -= done; } else pause_ms(1);
        }
    }
}

static word spawn(word *argument)
{
    word child = ask(FORK, 0, 0, 0, 0, 0);
    if (child == 0) {
        ask(EXECVE, argument[0], argument[1], argument[2], 0, 0);
        ask(EXIT, 127, 0, 0, 0, 0);
    }
    return child;
}

static word carry_out(struct call *table, struct call *one)
{
    int argument;
    for (argument = 0; argument < 6; argument++) {
        word from = (one->link >> (8 * argument)) & 0xff;
        if (from) one->argument[argument] = table[from - 1].result;
    }
    if (one->number == ARM || one->number == DISARM) { armed = one->number == ARM; return 0; }
    if (one->number == SPAWN) return spawn(one->argument);
    return sys((word *)one);
}

static void work(void)
{
    struct head *head = (struct head *)image;
    struct call *table;
    word number, stopped = 0, size;
    receive(image, sizeof *head);
    receive(image + sizeof *head, head->size - sizeof *head);
    table = (struct call *)(image + head->table);
    for (number = 0; number < head->calls; number++) {
        struct call *one = table + number;
        one->result = stopped ? CANCELLED : carry_out(table, one);
        if (one->stop && one->result < 0) stopped = 1;
    }
    size = head->to - head->table;
    if (head->trim) {
        word last = table[head->calls - 1].result;
        size -= head->trim - (last > 0 ? last : 0);
    }
    transmit(REPLY, (char *)table, size);
}

static void prepare(void)
{
    static char module[] = "/m/00";
    word number, file;
    ask(MOUNT, (word)"none", (word)"/dev", (word)"devtmpfs", 0, 0);
    ask(MOUNT, (word)"none", (word)"/proc", (word)"proc", 0, 0);
    ask(MOUNT, (word)"none", (word)"/sys", (word)"sysfs", 0, 0);
    for (number = 0; number < 100; number++) {
        module[3] = '0' + number / 10; module[4] = '0' + number % 10;
        if ((file = ask(OPEN, (word)module, 0, 0, 0, 0)) < 0) break;
        ask(FINIT_MODULE, file, (word)"", 0, 0, 0);
        ask(CLOSE, file, 0, 0, 0, 0);
    }
    while ((port = ask(OPEN, (word)"/dev/vport0p1", 2, 0, 0, 0)) < 0) pause_ms(1);
    poller = ask(EPOLL_CREATE, 0, 0, 0, 0, 0);
}

void serve(void)
{
    word hello[3];
    prepare();
    hello[0] = (word)image; hello[1] = ROOM; hello[2] = poller;
    transmit(HELLO, (char *)hello, sizeof hello);
    for (;;) {
        struct { int file; short wanted, seen; } watched[2];
        watched[0].file = port; watched[1].file = poller;
        watched[0].wanted = watched[1].wanted = 1;
        watched[0].seen = watched[1].seen = 0;
        ask(POLL, (word)watched, armed ? 2 : 1, -1, 0, 0);
        if (watched[0].seen & 1) work();
        else if (watched[0].seen) pause_ms(5);
        else if (armed && watched[1].seen) {
            word ready = ask(EPOLL_WAIT, poller, (word)events, EVENTS, 0, 0);
            if (ready > 0) { armed = 0; transmit(READY, events, 12 * ready); }
        }
    }
}
