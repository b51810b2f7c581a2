// Questions about messages and queues: by key and id (12, 33), where a queue begins and ends and what was
// stored when (29 to 32), and what a consume queue says (321). RocketMQ: QueryMessageProcessor,
// AdminBrokerProcessor.
#pragma once

namespace rmq::broker {

class Broker;

void add_query_processors(Broker& broker);

}  // namespace rmq::broker
