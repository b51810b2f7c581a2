// Every store of testdata that RocketMQ wrote and nobody damaged, through a serial rebuild into a disk in
// memory: what other ways of making queues and index are compared with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libstore/derive/rebuild.h"
#include "libstore/json/json_value.h"
#include "libstore/scan/commit_log_walker.h"
#include "libstore/scan/store_survey.h"
#include "libstore/testing/simulated_file_system.h"
#include "tests/scan/oracle_store.h"

namespace rmq::derive {

using rmq::testing::OracleStore;
using rmq::testing::SimulatedFileSystem;

struct Settings {
  scan::StoreConfig config;
  DispatchRules rules;
  std::set<std::string> batch_topics;
  std::multimap<std::int64_t, std::string> deletions;  // of topics, by log offset
  bool ends_stale = false;                             // stale records and units lie behind the end
  std::int64_t log_end = INT64_MAX;
  std::int64_t truncated_at = INT64_MAX;
};

inline std::string text_of(const json::Value* value) {
  return value != nullptr && value->if_string() != nullptr ? *value->if_string() : std::string();
}

inline Settings settings_of(const OracleStore& store) {
  const json::Value said = *json::parse(rmq::testing::text_file(store.directory() / "store.json"));
  std::string broker_conf;
  for (const char* part : {"storeConfig", "brokerConfig"}) {
    if (const json::Value* keys = said.find(part))
      for (const json::Member& member : keys->if_object()->members())
        broker_conf += member.name + "=" + text_of(&member.value) + "\n";
  }
  for (std::size_t at; (at = broker_conf.find("{ROOT}")) != std::string::npos;)
    broker_conf.replace(at, 6, store.root().string());
  Settings settings;
  settings.config.root = store.root().string();
  settings.config = *scan::apply_broker_conf(settings.config, broker_conf);
  const auto is_on = [&](const char* key) {
    const auto found = settings.config.keys.find(key);
    return found != settings.config.keys.end() && found->second == "true";
  };
  settings.rules.multi_dispatch = is_on("enableMultiDispatch");
  settings.rules.lmq = is_on("enableLmq");
  if (!settings.config.message_delay_level.empty())
    settings.rules.delay_levels = *format::DelayLevels::parse(settings.config.message_delay_level);
  if (const json::Value* notes = said.find("notes")) {
    if (const json::Value* deletions = notes->find("deletions"))
      for (const json::Value& deletion : deletions->if_array()->items)
        settings.deletions.emplace(*deletion.find("atPhyOffset")->as_int64(),
                                   text_of(deletion.find("topic")));
    if (const json::Value* end = notes->find("endPhyOffset")) {
      settings.ends_stale = true;
      settings.log_end = *end->as_int64();
      settings.truncated_at = *notes->find("truncatedAtPhyOffset")->as_int64();
    }
  }
  return settings;
}

struct Rebuilt {
  RebuildReport report;
  std::int64_t log_begin = 0;
  std::map<std::int64_t, std::int64_t> store_timestamps;  // by log offset
};

// The store's log through a Rebuild, into a disk in memory.
inline Rebuilt rebuild(SimulatedFileSystem& disk, const scan::StoreSurvey& survey, const Settings& settings) {
  RebuildOptions options;
  options.rules = settings.rules;
  options.queues.emplace();
  options.queues->simple_directory = "/new/consumequeue";
  options.queues->batch_directory = "/new/batchconsumequeue";
  options.queues->kind_of = [&](std::string_view topic, std::int32_t) {
    const bool batch = std::ranges::any_of(survey.queues, [&](const scan::Queue& queue) {
      return queue.topic == topic && queue.kind == scan::QueueKind::batch;
    });
    return batch ? scan::QueueKind::batch : scan::QueueKind::simple;
  };
  for (const scan::Queue& queue : survey.queues) {
    if (queue.files.file_size == 0) continue;
    (queue.kind == scan::QueueKind::batch ? options.queues->batch_file_size
                                          : options.queues->simple_file_size) = queue.files.file_size;
  }
  Rebuilt rebuilt;
  auto& store_timestamps = rebuilt.store_timestamps;
  options.store_timestamp = [&](std::int64_t log_offset) -> std::optional<std::int64_t> {
    const auto found = store_timestamps.find(log_offset);
    return found == store_timestamps.end() ? std::nullopt : std::optional(found->second);
  };
  if (settings.config.message_index_enable) {
    options.index.emplace();
    options.index->directory = "/new/index";
    options.index->slots = settings.config.index_slots.value_or(format::kDefaultIndexSlots);
    options.index->entries = settings.config.index_entries.value_or(format::kDefaultIndexEntries);
    options.index->local_time_ms = [] { return std::int64_t{1'700'000'000'000}; };
  }
  auto begun = Rebuild::begin(disk, options);
  EXPECT_TRUE(begun) << begun.error().message();
  Rebuild& rebuild = **begun;

  if (!survey.commit_log.files.empty()) rebuilt.log_begin = survey.commit_log.files.front().start;
  auto deletion = settings.deletions.begin();
  for (const scan::MappedFile& info : survey.commit_log.files) {
    const auto file = io::posix_read_file_system().open(info.path);
    EXPECT_TRUE(file);
    scan::CommitLogWalker::Options walk;
    walk.records_start = info.start;
    walk.file_size = survey.commit_log.file_size;
    walk.dledger = survey.commit_log_is_dledger;
    scan::CommitLogWalker walker(**file, walk);
    while (const scan::LogItem* item = walker.next()) {
      if (item->kind != scan::LogItemKind::record) continue;
      const std::int64_t log_offset = info.start + item->position;
      if (log_offset >= settings.log_end) continue;
      for (; deletion != settings.deletions.end() && deletion->first <= log_offset; ++deletion) {
        for (std::int32_t queue = 0; queue < 16; ++queue) {
          rebuild.forget(deletion->second, queue);
          const std::string directory = "/new/consumequeue/" + deletion->second;
          if (disk.stat(directory)) disk.remove_beneath(directory);
        }
      }
      store_timestamps[log_offset] = item->message.store_timestamp;
      const Status fed = rebuild.feed(item->message, log_offset);
      EXPECT_TRUE(fed) << fed.error().message();
    }
  }
  const auto report = rebuild.finish();
  EXPECT_TRUE(report) << report.error().message();
  if (report) rebuilt.report = *report;
  return rebuilt;
}

}  // namespace rmq::derive
