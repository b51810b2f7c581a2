// A broker: its store, what it knows of topics, groups and offsets, and who answers which request.
// RocketMQ: BrokerController. It never sees a socket: net calls it as a RequestService, and it calls name
// servers through a wire::Caller.
//
//   Broker broker(config, options);
//   add_admin_processors(broker); ...      // the parts that answer: add(), and the hooks
//   broker.start();                        // opens the store, loads config/, registers
//   broker.serve();                        // once net listens
//   broker.unregister(); ... net ends, with drain() ...
//   broker.stop();                         // persists, closes the store
//
// Threads: add() and the hooks before start(); everything else from any thread while it runs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/engine/message_store.h"
#include "libstore/io/file_system.h"
#include "servers/broker/broker_config.h"
#include "servers/broker/broker_stats.h"
#include "servers/broker/codes.h"
#include "servers/broker/consumer_offsets.h"
#include "servers/broker/processor.h"
#include "servers/broker/scheduler.h"
#include "servers/broker/subscription_groups.h"
#include "servers/broker/topic_configs.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

class ClientTables;  // clients.h: who is connected
class Registration;  // registration.h: this broker with its name servers

struct BrokerOptions {
  io::FileSystem* files = &io::posix_file_system();
  const engine::Clock* clock = &engine::system_clock();
  const engine::Clock* steady = &steady_clock();  // the scheduler's
  wire::Caller* caller = nullptr;                 // none: no name servers, and nobody else, are called
  // Without threads of its own: the store's work() and the scheduler's run_due() are the caller's.
  bool background = true;
};

// Which ports answer a code.
enum class Ports : std::uint8_t { all, not_vip };

class Broker final : public wire::RequestService {
 public:
  // `config` and what the options point to outlive it; the caller is stopped before it goes.
  Broker(BrokerConfig& config, const BrokerOptions& options);
  ~Broker() override;
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // --- before start() ---
  void add(std::initializer_list<RequestCode> codes, ProcessorFactory factory, Ports ports = Ports::all);
  void add(RequestCode code, HandleFunction handle, Ports ports = Ports::all);
  // In the order they were given; store and managers are there, requests do not come yet. Scheduling is done
  // there.
  void on_start(std::function<Status()> hook) { start_hooks_.push_back(std::move(hook)); }
  // Requests may still come, but none that waits for something shall be kept any longer: they are answered
  // now.
  void on_drain(std::function<void()> hook) { drain_hooks_.push_back(std::move(hook)); }
  // In reverse order, no more requests come, the store is still open: persist and let go.
  void on_stop(std::function<void()> hook) { stop_hooks_.push_back(std::move(hook)); }
  void on_connection_closed(std::function<void(const std::shared_ptr<wire::Connection>&)> hook) {
    closed_hooks_.push_back(std::move(hook));
  }
  void on_arrival(engine::ArrivalListener hook) { arrival_hooks_.push_back(std::move(hook)); }
  void on_topic_deleted(std::function<void(std::string_view topic)> hook) {
    topic_hooks_.push_back(std::move(hook));
  }
  void on_group_deleted(std::function<void(std::string_view group)> hook) {
    group_hooks_.push_back(std::move(hook));
  }
  // More lines for GET_BROKER_RUNTIME_INFO.
  using RuntimeLines = std::vector<std::pair<std::string, std::string>>;
  void on_runtime_info(std::function<void(RuntimeLines& into)> hook) {
    runtime_hooks_.push_back(std::move(hook));
  }
  // The table of connected clients; whoever makes it gives it here, others find it.
  void set_clients(std::shared_ptr<ClientTables> clients) { clients_ = std::move(clients); }

  // --- life ---
  // Fails where the store or a state file cannot be used, and says what to do about it.
  [[nodiscard]] Status start();
  // Registers, waits for the answers a little, and begins what is done again and again; once net listens.
  void serve();
  // First of all: no client shall find us any more.
  void unregister();
  // What is held is answered; while net ends.
  void drain();
  // Once net serves nobody. What went wrong is logged, and the first of it returned.
  [[nodiscard]] Status stop();

  // --- what processors use ---
  [[nodiscard]] BrokerConfig& config() { return config_; }
  [[nodiscard]] const engine::Clock& clock() const { return *options_.clock; }
  [[nodiscard]] io::FileSystem& files() { return *options_.files; }
  [[nodiscard]] wire::Caller* caller() { return options_.caller; }
  [[nodiscard]] engine::MessageStore& store() { return *store_; }  // from the start hooks on
  [[nodiscard]] TopicConfigs& topics() { return *topics_; }
  [[nodiscard]] SubscriptionGroups& groups() { return *groups_; }
  [[nodiscard]] ConsumerOffsets& offsets() { return *offsets_; }
  [[nodiscard]] Scheduler& scheduler() { return scheduler_; }
  [[nodiscard]] BrokerStats& stats() { return stats_; }
  [[nodiscard]] ClientTables* clients() { return clients_.get(); }  // null: nobody gave one
  [[nodiscard]] Registration& registration() { return *registration_; }
  // False: nothing has threads of its own (BrokerOptions).
  [[nodiscard]] bool background() const { return options_.background; }
  // config/ of the store.
  [[nodiscard]] const std::string& config_directory() const { return config_directory_; }
  // "brokerIP1:listenPort", what clients are told.
  [[nodiscard]] std::string address() const;
  // The same as a record has it; lives as long as the broker.
  [[nodiscard]] format::HostView store_host() const {
    return {store_address_, static_cast<std::int32_t>(config_.number<"listenPort">())};
  }
  [[nodiscard]] std::int64_t started_ms() const { return started_ms_; }

  // --- what processors tell ---
  // Its queues, offsets and statistics go, and the hooks are called. DELETE_TOPIC_IN_BROKER.
  [[nodiscard]] Status delete_topic(const std::string& topic);
  void delete_group(const std::string& group, bool clean_offsets);
  [[nodiscard]] RuntimeLines runtime_info_of_parts() const;

  // --- RequestService ---
  [[nodiscard]] std::unique_ptr<wire::RequestHandler> make_handler() override;
  void connection_closed(const std::shared_ptr<wire::Connection>& connection) override;

 private:
  class Handler;
  struct Route {
    std::size_t factory = 0;
    Ports ports = Ports::all;
  };

  [[nodiscard]] Status open();
  [[nodiscard]] engine::StoreOptions store_options();
  void schedule();
  void stop_slow_groups();

  BrokerConfig& config_;
  BrokerOptions options_;
  std::string config_directory_;
  std::vector<std::byte> store_address_;
  std::int64_t started_ms_ = 0;
  bool running_ = false;
  std::vector<ProcessorFactory> factories_;
  std::unordered_map<std::int32_t, Route> routes_;
  std::vector<std::function<Status()>> start_hooks_;
  std::vector<std::function<void()>> drain_hooks_;
  std::vector<std::function<void()>> stop_hooks_;
  std::vector<std::function<void(const std::shared_ptr<wire::Connection>&)>> closed_hooks_;
  std::vector<engine::ArrivalListener> arrival_hooks_;
  std::vector<std::function<void(std::string_view)>> topic_hooks_;
  std::vector<std::function<void(std::string_view)>> group_hooks_;
  std::vector<std::function<void(RuntimeLines&)>> runtime_hooks_;
  BrokerStats stats_;
  std::unique_ptr<engine::MessageStore> store_;
  std::unique_ptr<TopicConfigs> topics_;
  std::unique_ptr<SubscriptionGroups> groups_;
  std::unique_ptr<ConsumerOffsets> offsets_;
  std::unique_ptr<Registration> registration_;
  std::shared_ptr<ClientTables> clients_;
  Scheduler scheduler_;
};

// Everything this broker can answer.
void assemble(Broker& broker);

}  // namespace rmq::broker
