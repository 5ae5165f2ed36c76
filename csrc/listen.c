/* Listening and accepting. At a bound, or out of descriptors, a listener is left alone until there is room: the kernel's queue
 * then holds the clients, and nothing spins. */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire_internal.h"

static int listener_operate(wire *w, uint32_t index, int operation)
{
    slab_item place = {.slot = index};
    return wire_watch(w, w->listeners[index].descriptor, operation, EPOLLIN, SOURCE_LISTENER, &place);
}

int wire_listen(wire *w, int descriptor, int kind)
{
    if (kind < SOCKET_EDGE || kind > SOCKET_EDGE_TLS)
        return WIRE_INVALID;
    for (uint32_t i = 0; i < LISTENERS_MAX; i++) {
        if (w->listeners[i].descriptor >= 0)
            continue;
        w->listeners[i] = (listener){.descriptor = descriptor, .kind = (uint8_t)kind};
        if (listener_operate(w, i, EPOLL_CTL_ADD) == 0)
            return WIRE_OK;
        w->listeners[i].descriptor = -1;
        return WIRE_SYSTEM;
    }
    return WIRE_NO_ROOM;
}

void wire_stop_listening(wire *w, int kind)
{
    for (int i = 0; i < LISTENERS_MAX; i++) {
        int is_meant = w->listeners[i].kind == kind || (kind == SOCKET_EDGE && w->listeners[i].kind == SOCKET_EDGE_TLS);
        if (w->listeners[i].descriptor < 0 || !is_meant)
            continue;
        if (!w->listeners[i].is_paused)
            listener_operate(w, (uint32_t)i, EPOLL_CTL_DEL); /* another process may have the socket, too, and then closing leaves it watched */
        close(w->listeners[i].descriptor);
        w->listeners[i].descriptor = -1;
    }
}

static void pause_listener(wire *w, uint32_t index)
{
    w->listeners[index].is_paused = 1;
    w->counters.edge_paused += w->listeners[index].kind != SOCKET_FRAMED;
    listener_operate(w, index, EPOLL_CTL_DEL);
}

/* The kinds of the edge share their places. */
void wire_resume_accepting(wire *w, int kind)
{
    for (uint32_t i = 0; i < LISTENERS_MAX; i++) {
        listener *l = &w->listeners[i];
        if (l->descriptor < 0 || (l->kind == SOCKET_FRAMED) != (kind == SOCKET_FRAMED) || !l->is_paused)
            continue;
        if (w->holds_accepting && kind != SOCKET_FRAMED)
            return;
        l->is_paused = 0;
        listener_operate(w, i, EPOLL_CTL_ADD);
    }
}

void wire_hold_accepting(wire *w, int holds)
{
    w->holds_accepting = holds != 0;
    if (!holds)
        wire_resume_accepting(w, SOCKET_EDGE);
}

/* 1 when another may be accepted, 0 when the listener is to be left for now. */
static int accept_one(wire *w, uint32_t index)
{
    listener *l = &w->listeners[index];
    slab *places = l->kind == SOCKET_FRAMED ? &w->framed : &w->edges;
    if (places->taken == places->count_max || (w->holds_accepting && l->kind != SOCKET_FRAMED)) {
        pause_listener(w, index);
        return 0;
    }
    int descriptor = accept4(l->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
        if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
            return errno != EAGAIN;
        w->counters.accept_errors++; /* out of descriptors or memory: trying at once would only spin */
        pause_listener(w, index);
        timer_set(&w->timers, &w->accept_timer, wire_in_ms(w, ACCEPT_PAUSE_MS));
        return 0;
    }
    if (l->kind != SOCKET_FRAMED) {
        w->counters.edge_accepted++;
        edge_adopt(w, descriptor, l->kind == SOCKET_EDGE_TLS);
        return 1;
    }
    framed_connection *framed = framed_adopt(w, descriptor, 0);
    if (framed) {
        w->counters.framed_accepted++;
        wire_add_event(w, EVENT_FRAMED_OPENED)->connection = framed->handle;
    }
    return 1;
}

void wire_accept(wire *w, uint32_t index)
{
    int turns = ACCEPTS_PER_ROUND;
    while (turns-- && w->listeners[index].descriptor >= 0 && wire_event_room(w) && accept_one(w, index))
        ;
}

int64_t wire_adopt(wire *w, int descriptor, int kind, int dialled)
{
    if (kind == SOCKET_EDGE || kind == SOCKET_EDGE_TLS)
        return edge_adopt(w, descriptor, kind == SOCKET_EDGE_TLS);
    if (kind != SOCKET_FRAMED)
        return WIRE_INVALID;
    framed_connection *framed = framed_adopt(w, descriptor, dialled);
    if (framed)
        return framed->handle;
    return errno == ENOSPC ? WIRE_NO_ROOM : WIRE_SYSTEM;
}

