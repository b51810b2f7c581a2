// The one table of a name server's keys; docs/namesrv_config.md is checked against it.
#include <array>

#include "servers/namesrv/namesrv_config.h"

namespace rmq::namesrv {
namespace {

using enum KeyType;
using enum KeyOwner;
using enum KeyState;

constexpr auto kKeys = std::to_array<ConfigKey>({
    {"rocketmqHome", text, "", namesrv, meaningless, "$ROCKETMQ_HOME; only shown"},
    {"kvConfigPath", text, "$HOME/namesrv/kvConfig.json", namesrv, used,
     "where the KV configuration is kept"},
    {"configStorePath", text, "$HOME/namesrv/namesrv.properties", namesrv, used,
     "where a changed configuration is written; the file given with -c, if one is"},
    {"productEnvName", text, "center", namesrv, later, "the environment that clusterTest asks"},
    {"clusterTest", flag, "false", namesrv, later, "look unknown topics up in another environment"},
    {"orderMessageEnable", flag, "false", namesrv, used, "routes carry orderTopicConf"},
    {"returnOrderTopicConfigToBroker", flag, "true", namesrv, used,
     "the answer to a registration carries the order configuration"},
    {"clientRequestThreadPoolNums", int32, "8", namesrv, meaningless, "threads for routes"},
    {"defaultThreadPoolNums", int32, "16", namesrv, meaningless, "threads for everything else"},
    {"clientRequestThreadPoolQueueCapacity", int32, "50000", namesrv, meaningless,
     "requests that may wait for a thread"},
    {"defaultThreadPoolQueueCapacity", int32, "10000", namesrv, meaningless,
     "requests that may wait for a thread"},
    {"scanNotActiveBrokerInterval", int64, "5000", namesrv, used,
     "milliseconds between looks for silent brokers; at start only"},
    {"unRegisterBrokerQueueCapacity", int32, "3000", namesrv, meaningless,
     "brokers that may wait to be removed"},
    {"supportActingMaster", flag, "false", namesrv, used, "a slave is shown as master where there is none"},
    {"enableAllTopicList", flag, "true", namesrv, used, "the list of all topics may be asked for"},
    {"enableTopicList", flag, "true", namesrv, used, "lists of topics by cluster or unit may be asked for"},
    {"notifyMinBrokerIdChanged", flag, "false", namesrv, used,
     "brokers are told when their name has another smallest id"},
    {"enableControllerInNamesrv", flag, "false", namesrv, later, "a controller in the same process"},
    {"needWaitForService", flag, "false", namesrv, used,
     "no routes for waitSecondsForService after the start"},
    {"waitSecondsForService", int32, "45", namesrv, used, "see needWaitForService"},
    {"deleteTopicWithBrokerRegistration", flag, "false", namesrv, used,
     "a registration removes the broker's topics that it does not name"},
    {"configBlackList", text, "configBlackList;configStorePath;kvConfigPath", namesrv, used,
     "keys that may not be updated by request; at start only"},
    {"bindAddress", text, "0.0.0.0", server, used, "the address to listen on; at start only"},
    {"listenPort", int32, "9876", server, used, "the port to listen on; at start only"},
    {"serverWorkerThreads", int32, "8", server, meaningless, "codec threads"},
    {"serverCallbackExecutorThreads", int32, "0", server, meaningless, "callback threads"},
    {"serverSelectorThreads", int32, "3", server, meaningless, "I/O threads"},
    {"serverOnewaySemaphoreValue", int32, "256", server, meaningless, "one-way requests out at a time"},
    {"serverAsyncSemaphoreValue", int32, "64", server, meaningless, "requests out at a time"},
    {"serverChannelMaxIdleTimeSeconds", int32, "120", server, used,
     "connections silent for longer are closed; at start only"},
    {"serverSocketSndBufSize", int32, "0", server, meaningless, "SO_SNDBUF; the kernel decides"},
    {"serverSocketRcvBufSize", int32, "0", server, meaningless, "SO_RCVBUF; the kernel decides"},
    {"writeBufferHighWaterMark", int32, "0", server, meaningless, "Netty's"},
    {"writeBufferLowWaterMark", int32, "0", server, meaningless, "Netty's"},
    {"serverSocketBacklog", int32, "1024", server, meaningless, "connections that may wait to be accepted"},
    {"serverNettyWorkerGroupEnable", flag, "true", server, meaningless, "Netty's"},
    {"serverPooledByteBufAllocatorEnable", flag, "true", server, meaningless, "Netty's"},
    {"enableShutdownGracefully", flag, "false", server, meaningless, "a shutdown is always graceful"},
    {"shutdownWaitTimeSeconds", int32, "30", server, meaningless, "see enableShutdownGracefully"},
    {"useEpollNativeSelector", flag, "false", server, meaningless, "Netty's"},
    {"clientWorkerThreads", int32, "4", client, meaningless, "codec threads"},
    {"clientCallbackExecutorThreads", int32, "4", client, meaningless, "callback threads"},
    {"clientOnewaySemaphoreValue", int32, "65535", client, meaningless, "one-way requests out at a time"},
    {"clientAsyncSemaphoreValue", int32, "65535", client, meaningless, "requests out at a time"},
    {"connectTimeoutMillis", int32, "3000", client, meaningless, "patience when connecting to brokers"},
    {"channelNotActiveInterval", int64, "60000", client, meaningless, "unused by stock, too"},
    {"scanAvailableNameSrv", flag, "true", client, meaningless, "a name server asks no other"},
    {"clientChannelMaxIdleTimeSeconds", int32, "120", client, meaningless,
     "idle connections to brokers are closed"},
    {"clientSocketSndBufSize", int32, "0", client, meaningless, "SO_SNDBUF; the kernel decides"},
    {"clientSocketRcvBufSize", int32, "0", client, meaningless, "SO_RCVBUF; the kernel decides"},
    {"clientPooledByteBufAllocatorEnable", flag, "false", client, meaningless, "Netty's"},
    {"clientCloseSocketIfTimeout", flag, "true", client, meaningless,
     "close a connection that does not answer"},
    {"useTLS", flag, "false", client, later, "TLS to brokers"},
    {"socksProxyConfig", text, "{}", client, later, "SOCKS proxies to brokers"},
    {"disableCallbackExecutor", flag, "false", client, meaningless, "Netty's"},
    {"disableNettyWorkerGroup", flag, "false", client, meaningless, "Netty's"},
    {"maxReconnectIntervalTimeSeconds", int64, "60", client, meaningless, "after GO_AWAY"},
    {"enableReconnectForGoAway", flag, "true", client, meaningless, "after GO_AWAY"},
});

}  // namespace

std::span<const ConfigKey> config_keys() { return kKeys; }

}  // namespace rmq::namesrv
