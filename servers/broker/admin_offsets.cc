#include <unistd.h>

#include <memory>
#include <string>

#include "libstore/format/commit_log_record.h"
#include "servers/broker/admin.h"
#include "servers/broker/admin_reply.h"
#include "servers/broker/broker.h"
#include "servers/broker/log.h"

namespace rmq::broker {
namespace {

std::int64_t machine_memory() {
  return std::int64_t{sysconf(_SC_PHYS_PAGES)} * std::int64_t{sysconf(_SC_PAGESIZE)};
}

class OffsetAdmin {
 public:
  explicit OffsetAdmin(Broker& broker) : broker_(broker), memory_(machine_memory()) {}

  // QUERY_CONSUMER_OFFSET
  [[nodiscard]] wire::Response query(const wire::Request& request) const {
    RequestFields fields(request);
    const std::string_view group = fields.text("consumerGroup");
    const std::string_view topic = fields.text("topic");
    const std::int32_t queue = fields.int32("queueId");
    if (fields.failed()) return fields.failure();
    if (const auto offset = broker_.offsets().query(group, topic, queue); offset && *offset >= 0)
      return found(*offset);
    if (!fields.flag("setZeroIfNotFound", true))
      return not_found("Not found, do not set to zero, maybe this group boot first");
    if (broker_.store().min_offset(topic, queue).value_or(0) <= 0 && is_first_in_memory(topic, queue))
      return found(0);
    return not_found("Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first");
  }

  // UPDATE_CONSUMER_OFFSET
  [[nodiscard]] wire::Response commit(const wire::Request& request, const wire::Responder& responder) {
    RequestFields fields(request);
    const std::string_view group = fields.text("consumerGroup");
    const std::string_view topic = fields.text("topic");
    const std::int32_t queue = fields.int32("queueId");
    const std::int64_t offset = fields.int64("commitOffset");
    if (fields.failed()) return fields.failure();
    if (broker_.groups().find(group) == nullptr)
      return answer(ResponseCode::subscription_group_not_exist,
                    "Group " + std::string(group) + " not exist!");
    if (broker_.topics().find(topic) == nullptr)
      return answer(ResponseCode::topic_not_exist, "Topic " + std::string(topic) + " not exist!");
    if (broker_.config().flag<"useServerSideResetOffset">() &&
        broker_.offsets().has_reset(group, topic, queue)) {
      return answer(ResponseCode::success, "Offset has been previously reset");
    }
    if (!broker_.offsets().commit(group, topic, queue, offset))
      log_warning("group {} went back to {} in topic {} queue {}; client {}", group, offset, topic, queue,
                  responder.connection()->remote_address());
    return answer_success();
  }

  // GET_ALL_CONSUMER_OFFSET
  [[nodiscard]] wire::Response list() const { return answer_json(broker_.offsets().snapshot()); }

 private:
  [[nodiscard]] static wire::Response not_found(const std::string& remark) {
    wire::Response response = answer(ResponseCode::query_not_found, remark);
    // Java's answer has header fields, none of which is set; clients take it that there are some.
    response.fields.emplace_back("offset", "-1");
    return response;
  }
  [[nodiscard]] static wire::Response found(std::int64_t offset) {
    wire::Response response = answer_success();
    response.fields.emplace_back("offset", std::to_string(offset));
    return response;
  }

  // A group that is new begins at the first message where that lies so near to the log's end that it is
  // likely to be in memory: then it is cheap to have it all. checkInMemByConsumeOffset asks the kernel.
  [[nodiscard]] bool is_first_in_memory(std::string_view topic, std::int32_t queue) const {
    const auto first = broker_.store().get(topic, queue, 0, {.max_messages = 1, .wants = {}});
    if (!first || first->messages.empty() || first->messages.front().queue_offset != 0) return false;
    const auto record =
        format::MessageView::parse(std::span(first->bytes).first(first->messages.front().size));
    if (!record) return false;
    const std::int64_t ratio = broker_.config().number<"accessMessageInMemoryMaxRatio">();
    const std::int64_t behind = broker_.store().log().written() - record->physical_offset;
    return behind <= memory_ / 100 * ratio;
  }

  Broker& broker_;
  const std::int64_t memory_;
};

}  // namespace

void add_offset_admin(Broker& broker) {
  using enum RequestCode;
  auto admin = std::make_shared<OffsetAdmin>(broker);
  broker.add(query_consumer_offset, [admin](const wire::Request& request, wire::Responder responder) {
    responder.send(admin->query(request));
  });
  broker.add(update_consumer_offset, [admin](const wire::Request& request, wire::Responder responder) {
    wire::Response response = admin->commit(request, responder);
    responder.send(std::move(response));
  });
  broker.add(get_all_consumer_offset,
             [admin](const wire::Request&, wire::Responder responder) { responder.send(admin->list()); });
}

}  // namespace rmq::broker
