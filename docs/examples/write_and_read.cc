// Writes messages to a RocketMQ store and reads them again: write_and_read STORE_DIRECTORY
//
// The directory is made where it is not there; where it is, the store in it is gone on with, whoever wrote
// it, as long as no broker has it open. Built and run by the tests `engine_example` and `install`.
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/java_string.h"
#include "libstore/engine/message_store.h"

namespace {

using rmq::engine::GetStatus;
using rmq::engine::MessageStore;
using rmq::engine::PutResult;

int fail(const char* what, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", what, why.c_str());
  return 1;
}

// A message borrows everything: texts and hosts must live as long as the call that it is given to.
struct Order {
  Order(std::string id, const std::string& tag, std::string text) : body(std::move(text)) {
    properties = "TAGS\1" + tag + "\2KEYS\1" + id + "\2UNIQ_KEY\1" + id + "\2";
    message.topic = "Orders";
    message.queue_id = 0;
    message.body = rmq::as_bytes(body);
    message.properties = properties;
    message.born_host = message.store_host = {host, 10911};
  }
  Order(const Order&) = delete;
  Order& operator=(const Order&) = delete;

  std::array<std::byte, 4> host{std::byte{127}, std::byte{0}, std::byte{0}, std::byte{1}};
  std::string body;
  std::string properties;
  rmq::format::MessageView message;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return fail("usage", "write_and_read STORE_DIRECTORY");

  rmq::engine::StoreOptions options;
  options.config.root = argv[1];
  options.config.commit_log_file_size = 1 << 20;  // of a new store; a broker's default is 1 GiB
  options.config.index_slots = 1000;
  options.config.index_entries = 4000;
  options.flush = rmq::engine::FlushDiskType::sync_flush;  // acknowledged is on disk
  auto opened = MessageStore::open(rmq::io::posix_file_system(), options);
  if (!opened) return fail("open", opened.error().message());
  MessageStore& store = **opened;
  std::printf("opened; %s\n",
              store.report().plan.was_closed_cleanly ? "nothing to recover" : "it was not closed");

  // One message.
  const Order first("order-1", "paid", "one coffee");
  const PutResult put = store.put(first.message);
  if (!put.ok()) return fail("put", std::string(to_string(put.status)) + ", " + store.why_not_writable());
  std::printf("put: queue offset %lld, log offset %lld\n", static_cast<long long>(put.queue_offset),
              static_cast<long long>(put.log_offset));

  // Several at once: one store time, and nothing between them.
  const Order second("order-2", "open", "two teas");
  const Order third("order-3", "paid", "three cakes");
  const std::array messages{second.message, third.message};
  std::array<PutResult, 2> results;
  store.put(messages, results);
  for (const PutResult& result : results)
    if (!result.ok()) return fail("put", std::string(to_string(result.status)));

  // From a queue offset on, those with one tag. Tags codes collide: a consumer looks at the tag itself as
  // well.
  rmq::engine::GetOptions paid;
  paid.wants = [code = std::int64_t{rmq::java_hash("paid")}](std::int64_t tags_code) {
    return tags_code == code;
  };
  const auto got = store.get("Orders", 0, put.queue_offset, paid);
  if (!got) return fail("get", got.error().message());
  if (got->status != GetStatus::found) return fail("get", std::string(to_string(got->status)));
  for (const auto& one : got->messages) {
    const auto message =
        rmq::format::MessageView::parse(std::span(got->bytes).subspan(one.position, one.size));
    if (!message) return fail("get", "a message that cannot be read");
    std::printf("got: %lld %s\n", static_cast<long long>(one.queue_offset),
                std::string(rmq::as_text(message->body)).c_str());
  }
  if (got->messages.size() != 2) return fail("get", "two orders are paid");

  // By key, newest first.
  const auto found = store.query("Orders", "order-2", {.most = 1});
  if (!found) return fail("query", found.error().message());
  if (found->empty() || found->front() != results[0].log_offset) return fail("query", "not found");
  const auto record = store.look_up(found->front());
  if (!record) return fail("look up", record.error().message());
  const auto message = rmq::format::MessageView::parse(*record);
  if (!message) return fail("look up", "a message that cannot be read");
  std::printf("found by key: %s\n", std::string(rmq::as_text(message->body)).c_str());

  // Log, queues, index and checkpoint on disk; then the mark of a clean end.
  if (const auto flushed = store.flush(); !flushed) return fail("flush", flushed.error().message());
  if (const auto closed = store.close(); !closed) return fail("close", closed.error().message());
  std::printf("closed\n");
  return 0;
}
