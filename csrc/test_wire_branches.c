/* Tests of branches of an exchange, and of one that outlives its client. */
#include "test_wire_again.h"

/* Two services are asked at once, each by an exchange of its own; who is not needed is ended. */
static void test_branches(void)
{
    uint8_t first[512], trace[512];
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
    const heard_frame *heard = hear_frame(&a);
    uint32_t bytes = heard->payload_bytes;
    memcpy(first, heard->payload, bytes);
    uint64_t branch = wire_branch(w, id);
    CHECK(branch && branch != id);
    CHECK_EQUAL(wire_count(w)->kept_now, 1); /* one copy for both */
    CHECK(!facts_of(branch).has_client);
    CHECK_EQUAL(wire_get_context(w, branch, FIELD_REQUEST_ID, trace), wire_get_context(w, id, FIELD_REQUEST_ID, first + 400));
    CHECK_EQUAL(wire_again(w, branch, b.connection, 1, 9, 6, 0, 2, 100), WIRE_OK);
    wire_flush(w);
    check_sent_again(&b, branch, 2, BIT_63, first, bytes);
    respond(&b, on_wire(branch, 2, BIT_63), 200, "from b");
    const wire_event *event = await_event(EVENT_STREAM);
    CHECK(event->exchange == branch);
    CHECK_EQUAL(event->a, 200);
    CHECK_EQUAL(event->c, 6);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK); /* it has won */
    CHECK_EQUAL(wire_pass_on(w, id, wire_arena(w) + event->at, event->bytes), WIRE_OK);
    check_answer(client, 200, "from b");
    check_cancel(&a, id, 1);
    CHECK_EQUAL(wire_count(w)->kept_now, 1);
    CHECK_EQUAL(wire_end(w, branch), WIRE_OK);
    CHECK_EQUAL(wire_count(w)->kept_now, 0);
    CHECK_EQUAL(wire_branch(w, id), 0);
    finish_empty();
}

/* A request may go on without its client, as if it had been begun here; and only then. */
static void test_outlived(void)
{
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_outlive(w, id), WIRE_NO_EXCHANGE); /* with nobody yet */
    CHECK_EQUAL(send_kept(&a, id, SEND_TELL, 0), WIRE_OK);
    CHECK_EQUAL(wire_outlive(w, id), WIRE_NO_EXCHANGE); /* its client is there */
    hear_frame(&a);
    close(client);
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange == id);
    CHECK_EQUAL(wire_outlive(w, id), WIRE_OK);
    CHECK_EQUAL(wire_outlive(w, id), WIRE_NO_EXCHANGE); /* once */
    CHECK_EQUAL(wire_pass_on(w, id, (const uint8_t *)"", 0), WIRE_NO_EXCHANGE);
    respond(&a, on_wire(id, 1, 0), 201, "made");
    const wire_event *event = await_event(EVENT_STREAM);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->a, 201);
    CHECK_EQUAL(event->b, 4);
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    CHECK_EQUAL(wire_outlive(w, id), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_count(w)->exchanges_now, 0);
    client = -1;
    finish_empty();
}

/* Who made a branch learns that the other is answered, which is told of no other exchange. */
static void test_answered_beside_a_branch(void)
{
    open_all(4096, 4096);
    for (int branches = 0; branches < 2; branches++) {
        uint64_t id = ask(client, GET_A), branch = 0;
        CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
        hear_frame(&a);
        if (branches)
            CHECK(branch = wire_branch(w, id));
        respond(&a, id, 200, "first");
        check_answer(client, 200, "first");
        CHECK_EQUAL(count_events(EVENT_ANSWERED), branches);
        CHECK_EQUAL(wire_end(w, branch), branches ? WIRE_OK : WIRE_NO_EXCHANGE);
    }
    finish_empty();
}

int main(void)
{
    test_branches();
    test_outlived();
    test_answered_beside_a_branch();
    return test_report();
}
