#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "libstore/format/config_files.h"
#include "servers/broker/admin.h"
#include "servers/broker/admin_reply.h"
#include "servers/broker/broker.h"
#include "servers/broker/java_text.h"
#include "servers/broker/log.h"
#include "servers/broker/message_queue.h"
#include "servers/broker/registration.h"
#include "servers/broker/topic_attributes.h"
#include "servers/wire/register_broker_body.h"

namespace rmq::broker {
namespace {

// The table of one topic's bean, as 351 and 21 give it.
json::Value bean_of(const format::TopicConfig& topic) {
  json::Value file;
  format::set_topic(file, topic, true);
  return *file.find("topicConfigTable")->find(topic.name);
}

class TopicAdmin {
 public:
  explicit TopicAdmin(Broker& broker) : broker_(broker) {}

  // UPDATE_AND_CREATE_TOPIC
  void update(const wire::Request& request, wire::Responder responder) {
    RequestFields fields(request);
    format::TopicConfig topic;
    topic.name = fields.text("topic");
    (void)fields.text("defaultTopic");
    topic.read_queues = fields.int32("readQueueNums");
    topic.write_queues = fields.int32("writeQueueNums");
    topic.perm = fields.int32("perm");
    topic.filter_type = fields.text("topicFilterType");
    topic.sys_flag = fields.int32("topicSysFlag", 0);
    topic.order = fields.flag("order");
    if (fields.failed()) return responder.send(fields.failure());
    if (topic.filter_type != "SINGLE_TAG" && topic.filter_type != "MULTI_TAG")
      return responder.send(
          answer(ResponseCode::system_error, "topicFilterType = [" + topic.filter_type + "] value invalid"));
    if (auto refused = refuse_name(topic.name)) return responder.send(std::move(*refused));
    auto changes = parse_attribute_changes(fields.text("attributes", ""));
    if (!changes) return responder.send(answer_error(changes.error()));
    topic.attributes = std::move(*changes);
    if (auto refused = refuse_mixed(topic)) return responder.send(std::move(*refused));
    apply({std::move(topic)}, std::move(responder));
  }

  // UPDATE_AND_CREATE_TOPIC_LIST
  void update_list(const wire::Request& request, wire::Responder responder) {
    const auto body = json::parse(body_text(request));
    const json::Value* list = body ? body->find("topicConfigList") : nullptr;
    if (list == nullptr || list->if_array() == nullptr)
      return responder.send(answer(ResponseCode::system_error, "the body is no list of topics"));
    std::vector<format::TopicConfig> topics;
    for (const json::Value& item : list->if_array()->items) {
      auto topic = format::read_topic(item);
      if (!topic) return responder.send(answer(ResponseCode::system_error, topic.error().what));
      if (auto refused = refuse_name(topic->name)) return responder.send(std::move(*refused));
      if (auto refused = refuse_mixed(*topic)) return responder.send(std::move(*refused));
      // One that is there as it is ends it all, whatever else the list has (updateAndCreateTopicList).
      if (is_there(*topic)) return responder.send(answer_success());
      topics.push_back(std::move(*topic));
    }
    apply(std::move(topics), std::move(responder));
  }

  // GET_ALL_TOPIC_CONFIG
  [[nodiscard]] wire::Response list() const {
    const json::Value file = broker_.topics().snapshot();
    json::Object body;
    for (const std::string_view name : {"dataVersion", "mappingDataVersion", "topicConfigTable",
                                        "topicQueueMappingDetailMap", "topicQueueMappingInfoMap"}) {
      const json::Value* value = file.find(name);
      if (name == "mappingDataVersion")
        body.set(name, wire::to_json({0, broker_.started_ms(), 0}));
      else
        body.set(name, value == nullptr ? json::Value(json::Object()) : *value);
    }
    return answer_json(json::Value(std::move(body)));
  }

  // GET_TOPIC_CONFIG
  [[nodiscard]] wire::Response get(const wire::Request& request) const {
    RequestFields fields(request);
    const std::string_view name = fields.text("topic");
    if (fields.failed()) return fields.failure();
    const TopicConfigPtr topic = broker_.topics().find(name);
    if (topic == nullptr)
      return answer(ResponseCode::topic_not_exist, "No topic in this broker. topic: " + std::string(name));
    return answer_json(bean_of(*topic));
  }

  // DELETE_TOPIC_IN_BROKER
  [[nodiscard]] wire::Response remove(const wire::Request& request) {
    RequestFields fields(request);
    const std::string topic(fields.text("topic"));
    if (fields.failed()) return fields.failure();
    if (topic.find_first_not_of(" \t\n\v\f\r") == std::string::npos)
      return answer(ResponseCode::invalid_parameter, "The specified topic is blank.");
    if (auto refused = refuse_system_topic(topic)) return std::move(*refused);
    std::vector<std::string> topics{topic};
    if (broker_.config().flag<"clearRetryTopicWhenDeleteTopic">()) {
      // Retry topics of POP, in both forms of their names.
      for (const std::string& group : broker_.offsets().groups_of(topic))
        for (const char between : {'+', '_'})
          if (std::string name = std::string(kRetryPrefix) + group + between + topic;
              broker_.topics().find(name))
            topics.push_back(std::move(name));
    }
    for (const std::string& each : topics)
      if (const Status deleted = broker_.delete_topic(each); !deleted) return answer_error(deleted.error());
    return answer_success();
  }

  // GET_TOPIC_STATS_INFO
  [[nodiscard]] wire::Response stats(const wire::Request& request) const {
    RequestFields fields(request);
    const std::string_view name = fields.text("topic");
    if (fields.failed()) return fields.failure();
    const TopicConfigPtr topic = broker_.topics().find(name);
    if (topic == nullptr)
      return answer(ResponseCode::topic_not_exist, "topic[" + std::string(name) + "] not exist");
    engine::MessageStore& store = broker_.store();
    const std::string broker_name = broker_.config().text<"brokerName">();
    std::map<MessageQueue, json::Value> table;
    for (std::int32_t queue = 0; queue < std::max(topic->write_queues, topic->read_queues); ++queue) {
      const std::int64_t max = store.max_offset(name, queue).value_or(0);
      std::int64_t updated = 0;
      if (max > 0) {
        const auto time = store.store_time(name, queue, max - 1);
        updated = time && *time ? **time : -1;
      }
      json::Object offset;
      offset.set("lastUpdateTimestamp", updated);
      offset.set("maxOffset", max);
      offset.set("minOffset", store.min_offset(name, queue).value_or(0));
      table.emplace(MessageQueue{topic->name, broker_name, queue}, std::move(offset));
    }
    const auto puts = broker_.stats().view(StatsName::topic_put_nums, name);
    json::Object body;
    body.set("offsetTable", to_json(table));
    body.set("topicPutTps", json::Number{java_double(puts ? puts->minute.tps : 0)});
    return answer_json(json::Value(std::move(body)));
  }

  // GET_SYSTEM_TOPIC_LIST_FROM_BROKER
  [[nodiscard]] wire::Response system_topics() const {
    json::Array topics;
    for (const std::string& topic : broker_.topics().system_topics()) topics.items.emplace_back(topic);
    json::Object body;
    body.set("topicList", std::move(topics));
    return answer_json(json::Value(std::move(body)));
  }

  // CLEAN_EXPIRED_CONSUMEQUEUE
  [[nodiscard]] wire::Response clean_expired_queues() {
    const auto cleaned = broker_.store().delete_expired_queues();
    if (!cleaned) return answer_error(cleaned.error());
    log_info("{} queues without messages begin anew", *cleaned);
    return answer_success();
  }

  // CLEAN_UNUSED_TOPIC
  [[nodiscard]] wire::Response clean_unused_topics() {
    std::vector<std::string> retained;
    for (const TopicConfigPtr& topic : broker_.topics().all()) retained.push_back(topic->name);
    const auto cleaned = broker_.store().delete_unused_topics(retained);
    if (!cleaned) return answer_error(cleaned.error());
    log_info("{} topics that nobody knows are deleted", *cleaned);
    return answer_success();
  }

  // DELETE_EXPIRED_COMMITLOG
  [[nodiscard]] wire::Response delete_expired_files() {
    log_info("expired files are to be deleted now");
    broker_.store().delete_expired_files();
    return answer_success();
  }

 private:
  [[nodiscard]] std::optional<wire::Response> refuse_name(const std::string& topic) const {
    if (std::string problem = topic_name_problem(topic); !problem.empty())
      return answer(ResponseCode::invalid_parameter, std::move(problem));
    return refuse_system_topic(topic);
  }

  [[nodiscard]] std::optional<wire::Response> refuse_system_topic(const std::string& topic) const {
    if (!broker_.config().flag<"validateSystemTopicWhenUpdateTopic">() ||
        !broker_.topics().is_system_topic(topic))
      return std::nullopt;
    return answer(ResponseCode::invalid_parameter, "The topic[" + topic + "] is conflict with system topic.");
  }

  [[nodiscard]] std::optional<wire::Response> refuse_mixed(const format::TopicConfig& topic) const {
    const std::pair<std::string, std::string> mixed("+message.type", "MIXED");
    if (broker_.config().flag<"enableMixedMessageType">() ||
        std::ranges::find(topic.attributes, mixed) == topic.attributes.end())
      return std::nullopt;
    return answer(ResponseCode::invalid_parameter, "MIXED message type is not supported.");
  }

  [[nodiscard]] bool is_there(const format::TopicConfig& topic) const {
    const TopicConfigPtr old = broker_.topics().find(topic.name);
    return old && *old == topic;
  }

  // Answers once the name servers know, as Java does: who is told may ask them for the route at once.
  void apply(std::vector<format::TopicConfig> topics, wire::Responder responder) {
    if (topics.size() == 1 && is_there(topics.front())) return responder.send(answer_success());
    const auto made = broker_.topics().update(topics);
    if (!made) return responder.send(answer_error(made.error()));
    broker_.registration().register_topics(*made);
    auto waiting = std::make_shared<wire::Responder>(std::move(responder));
    broker_.registration().when_done([waiting] { waiting->send(answer_success()); });
  }

  Broker& broker_;
};

}  // namespace

void add_topic_admin(Broker& broker) {
  using enum RequestCode;
  auto admin = std::make_shared<TopicAdmin>(broker);
  const auto later = [&](RequestCode code,
                         void (TopicAdmin::*handle)(const wire::Request&, wire::Responder)) {
    broker.add(code, [admin, handle](const wire::Request& request, wire::Responder responder) {
      ((*admin).*handle)(request, std::move(responder));
    });
  };
  const auto now = [&](RequestCode code, auto handle) {
    broker.add(code, [admin, handle](const wire::Request& request, wire::Responder responder) {
      responder.send(handle(*admin, request));
    });
  };
  using Request = const wire::Request&;
  later(update_and_create_topic, &TopicAdmin::update);
  later(update_and_create_topic_list, &TopicAdmin::update_list);
  now(get_all_topic_config, [](TopicAdmin& a, Request) { return a.list(); });
  now(get_topic_config, [](TopicAdmin& a, Request r) { return a.get(r); });
  now(delete_topic_in_broker, [](TopicAdmin& a, Request r) { return a.remove(r); });
  now(get_topic_stats_info, [](TopicAdmin& a, Request r) { return a.stats(r); });
  now(get_system_topic_list_from_broker, [](TopicAdmin& a, Request) { return a.system_topics(); });
  now(clean_expired_consume_queue, [](TopicAdmin& a, Request) { return a.clean_expired_queues(); });
  now(clean_unused_topic, [](TopicAdmin& a, Request) { return a.clean_unused_topics(); });
  now(delete_expired_commit_log, [](TopicAdmin& a, Request) { return a.delete_expired_files(); });
}

}  // namespace rmq::broker
